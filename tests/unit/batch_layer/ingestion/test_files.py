"""Files of a source are found by a pattern, below the data folder or from the root on."""

from __future__ import annotations

import pytest

from batch_layer.ingestion.files import SourceFiles
from batch_layer.ingestion.strategy import Request
from lambda_core.config.origins import Files
from lambda_core.errors import DataError


@pytest.fixture
def request_below(tmp_path):
    for name in ("data/a.csv", "data/b/c.csv", "elsewhere/x.csv"):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"id\n{name}\n")
    return Request(None, "orders", str(tmp_path / "data"), None, full=False)


@pytest.mark.parametrize(
    ("path", "places"),
    [
        ("*.csv", ["a.csv"]),
        ("**/*.csv", ["a.csv", "b/c.csv"]),
        ("{root}/data/*.csv", ["a.csv"]),
        ("{root}/elsewhere/x.csv", ["{root}/elsewhere/x.csv"]),
        ("{root}/**/x.*", ["{root}/elsewhere/x.csv"]),
        ("../elsewhere/x.csv", ["../elsewhere/x.csv"]),
    ],
)
def test_a_pattern_finds_files_wherever_it_begins(request_below, tmp_path, path, places):
    found = SourceFiles(Files(path=path.format(root=tmp_path))).batches(request_below)

    assert [batch.place for batch in found] == [place.format(root=tmp_path) for place in places]


def test_a_file_that_is_not_there_is_told_with_its_whole_path(request_below):
    with pytest.raises(DataError, match=r"source orders: expected a file at /no/such\.csv, found none; put it there"):
        list(SourceFiles(Files(path="/no/such.csv")).batches(request_below))
