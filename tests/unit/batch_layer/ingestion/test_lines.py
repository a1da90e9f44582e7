"""Files cut into chunks of whole lines, whatever their line ends; every line keeps its number."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batch_layer.ingestion.files import FORMATS
from batch_layer.ingestion.lines import first_line, scan
from lambda_core.config.origins import Files
from lambda_core.errors import DataError

CONTENTS = st.lists(st.sampled_from([b"", b"a", b"bcd", b"\r", b"\n", b"\n\n", b"\xff" * 5, b"\r\n"]), max_size=40).map(
    b"".join
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=CONTENTS, chunk_bytes=st.integers(1, 20))
def test_chunks_are_the_file_in_order_and_know_their_first_line(tmp_path: Path, content: bytes, chunk_bytes: int):
    path = tmp_path / "file"
    path.write_bytes(content)

    scanned = scan(path, chunk_bytes)

    assert scanned.sha256 == hashlib.sha256(content).hexdigest()
    assert b"".join(content[chunk.start : chunk.end] for chunk in scanned.chunks) == content
    for chunk in scanned.chunks:
        assert chunk.first_number == content[: chunk.start].count(b"\n")
        assert chunk.start == 0 or content[chunk.start - 1 : chunk.start] == b"\n"


def test_a_large_file_has_no_more_chunks_than_can_be_told_to_tasks(tmp_path: Path):
    path = tmp_path / "file"
    path.write_bytes(b"line\n" * 100_000)

    assert len(scan(path, 16).chunks) <= 256


@pytest.mark.parametrize(
    ("content", "line"),
    [(b"", ""), (b"a,b\r\nc", "a,b"), (b"\xef\xbb\xbfa\n", "a"), ("ü\n".encode(), "ü")],
)
def test_the_first_line_has_neither_end_nor_mark(tmp_path: Path, content: bytes, line: str):
    (tmp_path / "file").write_bytes(content)

    assert first_line(tmp_path / "file") == line


def test_a_first_line_that_is_no_utf8_is_an_error_that_says_what_to_do(tmp_path: Path):
    (tmp_path / "file").write_bytes(b"\xff\xfe")

    with pytest.raises(DataError, match="save the file as UTF-8"):
        first_line(tmp_path / "file")


@pytest.mark.parametrize(
    ("form", "line", "names"),
    [
        ("csv", 'b,a,"x, y"', ["b", "a", "x, y"]),
        ("csv", "", []),
        ("json", '{"b":1,"a":{"c":2}}', ["a", "b"]),
        ("json", "[1]", []),
        ("json", "{", []),
        ("json", "", []),
    ],
)
def test_a_format_tells_the_names_of_the_fields(form: str, line: str, names: list[str]):
    assert FORMATS[form](Files(path="x", format=form)).names(line) == names


def test_a_header_is_parted_by_the_declared_separator():
    assert FORMATS["csv"](Files(path="x", separator="\t")).names("b,c\ta") == ["b,c", "a"]
