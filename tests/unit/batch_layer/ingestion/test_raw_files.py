"""Chunks of a file as rows of a raw table, held to a reading of the whole file that nobody could get wrong."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark import cloudpickle

from batch_layer.ingestion.adding import in_groups
from batch_layer.ingestion.lines import Chunk, Lines, Scan, scan
from batch_layer.ingestion.raw_files import records, send_by_value, write_part
from batch_layer.ingestion.strategy import Batch

MARK = b"\xef\xbb\xbf"
PIECES = [b"", b"a", b"bcd", b"\r", b"\n", b"\n\n", b"\xff" * 5, b"\r\n", b"\r\r\n", b'"x",\x00', MARK]
CONTENTS = st.lists(st.sampled_from(PIECES), max_size=40).map(b"".join)
SCHEMA = pa.schema([("value", pa.binary()), ("header", pa.string()), ("partition", pa.int32()), ("offset", pa.int64())])
MADE = {"header": "id", "partition": -1}


def oracle(content: bytes, *, header: bool) -> list[tuple[int, bytes]]:
    """Number and bytes of each record."""
    lines = [line.rstrip(b"\r") for line in content.removeprefix(MARK).split(b"\n")][header:]
    return [(number, line) for number, line in enumerate(lines) if line]


def part(path: Path, begin: int, chunks: list[Chunk], *, header: bool = False):
    places = [(chunk.start, chunk.end, begin - header + chunk.first_number) for chunk in chunks]
    return "key", str(path), begin, places, MADE


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=300)
@given(content=CONTENTS, chunk_bytes=st.integers(1, 20), header=st.booleans(), begin=st.integers(0, 2**40))
def test_the_chunks_of_a_file_give_its_records_at_their_numbers_and_its_end_is_told(
    tmp_path: Path, content: bytes, chunk_bytes: int, header, begin: int
):
    path = tmp_path / "file"
    path.write_bytes(content)
    scanned = scan(path, chunk_bytes)

    found = []
    for start, end, offset in part(path, begin, list(scanned.chunks), header=header)[3]:
        values, offsets = records(content[start:end], start, offset, begin)
        found += zip(offsets.to_pylist(), values.to_pylist(), strict=True)

    expected = oracle(content, header=header)
    assert found == [(begin + number, line) for number, line in expected]
    assert Lines(path, scanned, header=header).end == (expected[-1][0] + 1 if expected else 0)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=30)
@given(content=CONTENTS, chunk_bytes=st.integers(1, 20))
def test_a_file_that_is_written_holds_its_records_and_tells_of_them(tmp_path: Path, content: bytes, chunk_bytes: int):
    path = tmp_path / "file"
    path.write_bytes(content)

    written = write_part(str(tmp_path), SCHEMA, part(path, 7, list(scan(path, chunk_bytes).chunks)))

    expected = [(7 + number, line) for number, line in oracle(content, header=False)]
    rows = [pq.read_table(tmp_path / name) for _, name, *_ in written]
    assert [(row["offset"], row["value"]) for table in rows for row in table.to_pylist()] == expected
    assert [one[2:] for one in written] == ([(len(expected), expected[0][0], expected[-1][0])] if expected else [])
    assert all(table.schema.equals(SCHEMA) for table in rows)


def test_what_is_the_same_in_all_rows_stands_in_each_and_null_where_there_is_none(tmp_path: Path):
    path = tmp_path / "file"
    path.write_bytes(b"a\nb\n")

    names = [
        write_part(str(tmp_path), SCHEMA, ("key", str(path), 0, [(0, 4, 0)], {**MADE, "header": header}))[0][1]
        for header in ("id", None)
    ]

    for name, header in zip(names, ("id", None), strict=True):
        table = pq.read_table(tmp_path / name)
        assert table.select(["header", "partition"]).to_pylist() == [{"header": header, "partition": -1}] * 2


def test_a_task_reads_one_chunk_at_a_time_and_makes_it_a_row_group(tmp_path: Path):
    path = tmp_path / "file"
    path.write_bytes(b"abc\n" * 100)

    written = write_part(str(tmp_path), SCHEMA, part(path, 0, list(scan(path, 40).chunks)))

    assert pq.ParquetFile(tmp_path / written[0][1]).metadata.num_row_groups == len(scan(path, 40).chunks) > 1


def test_executors_need_none_of_our_packages(tmp_path: Path):
    """What is sent to them works in a process that can import none."""
    path = tmp_path / "file"
    path.write_bytes(b"a\nb\n")
    send_by_value()
    sent = cloudpickle.dumps(partial(write_part, str(tmp_path), SCHEMA, part(path, 0, [Chunk(0, 4, 0)])))
    (tmp_path / "sent").write_bytes(sent)
    program = (
        "import sys, pickle; sys.modules.update(dict.fromkeys(['batch_layer', 'lambda_core'], None));"
        f"print(pickle.load(open({str(tmp_path / 'sent')!r}, 'rb'))()[0][2])"
    )

    done = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True)

    assert (done.stdout, done.returncode) == ("2\n", 0), done.stderr


@pytest.mark.parametrize(
    ("sizes", "groups"),
    [
        ([], []),
        ([None, None], [[None], [None]]),
        ([3, 4, None, 5], [[3, 4], [None], [5]]),
        ([9, 2, 12, 1], [[9, 2], [12], [1]]),
    ],
)
def test_files_of_lines_go_together_up_to_a_size_and_all_else_by_itself(sizes, groups):
    def batch(size):
        lines = Lines(Path("x"), Scan("", (Chunk(0, size or 0, 0),), 0), header=False)
        return Batch("", "", "", lines if size is not None else lambda: None)

    found = in_groups(map(batch, sizes), most_bytes=10)

    told = [[one.records.bytes if isinstance(one.records, Lines) else None for one in group] for group in found]
    assert told == groups


def test_no_batch_is_asked_for_before_rows_that_came_before_it_are_added():
    asked = []

    def batches():
        for number in range(3):
            asked.append(number)
            yield Batch("", str(number), "", lambda: None)

    for number, group in enumerate(in_groups(batches())):
        assert (asked, [one.place for one in group]) == (list(range(number + 1)), [str(number)])
