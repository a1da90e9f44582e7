"""What the file system says of a table, without Spark."""

from __future__ import annotations

import pytest

from lambda_core.errors import SchemaError
from lambda_core.repositories.tables import DeltaTables


def test_a_table_whose_first_commit_is_under_way_is_none_yet(tmp_path):
    tables, log = DeltaTables(None, tmp_path), tmp_path / "scores" / "_delta_log"
    assert not tables.exists("scores")

    log.mkdir(parents=True)
    (log / f".{0:020}.json.tmp").touch()
    assert not tables.exists("scores")
    with pytest.raises(SchemaError, match="run the stage that writes it"):
        tables.read("scores")

    for version in (0, 1):
        (log / f"{version:020}.json").touch()
    assert tables.exists("scores")
    assert tables.version("scores") == 1
