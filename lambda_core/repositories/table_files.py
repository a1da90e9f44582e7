"""Parquet files that lie in a Delta table's folder, made part of the table by a commit of Delta's library in Rust.

Spark has no way to add files that it did not write, and needs half a second for a commit; the library needs a fiftieth. Both
write the same log. Neither is held off from the other on a local file system: who calls this holds the table's lock.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from deltalake import DeltaTable, Schema
    from deltalake.transaction import AddAction, CommitProperties

PRUNED_BY = ("t_ms", "event_time_ms", "append_time_ms", "partition", "offset", "hop_ms", "tile_start_ms")
"""Columns by which readers leave files out: Delta keeps their least and greatest values a file, and no others'."""
_CHECKPOINT_EVERY = 10
"""Versions, as Spark counts them. The library would count from another one: where both write in turn, neither's would come."""


@dataclass(frozen=True)
class TableFile:
    """A Parquet file of rows, which is no part of the table before a commit says so.

    Attributes:
        name: of the file, in the table's folder.
        rows: how many it holds.
        least: column -> its least value among them; of columns without nulls. Kept are those by which readers leave files out.
        greatest: column -> its greatest value; of the same columns.
    """

    name: str
    rows: int
    least: Mapping[str, int]
    greatest: Mapping[str, int]


@dataclass(frozen=True)
class Entry:
    """What a commit's entry in the table's log says beside its files.

    Attributes:
        transaction: whose rows these are, and the number that no further commit of that application may have.
        note: what is to be known of the version without reading the table.
    """

    transaction: tuple[str, int] | None = None
    note: str | None = None

    def properties(self) -> CommitProperties:
        """Return it as the library takes it."""
        from deltalake import Transaction
        from deltalake.transaction import CommitProperties

        return CommitProperties(
            custom_metadata=None if self.note is None else {"userMetadata": self.note},
            app_transactions=None if self.transaction is None else [Transaction(*self.transaction)],
        )


def add_files(folder: Path, files: Iterable[TableFile], transaction: tuple[str, int]) -> None:
    """Commit files to a table, unless it has a commit of the transaction's application with its number, or a greater one."""
    from deltalake import DeltaTable

    table, (application, number) = DeltaTable(folder), transaction
    last = table.transaction_version(application)
    if last is None or last < number:
        _commit(table, folder, files, "append", table.schema(), Entry(transaction))


def replace_with_files(folder: Path, files: Iterable[TableFile], schema: str, entry: Entry) -> None:
    """Commit files as the only ones of a table.

    Args:
        folder: the table's.
        files: its rows.
        schema: its columns from this version on, as Delta's protocol has them.
        entry: what else the commit says.
    """
    from deltalake import DeltaTable, Schema

    _commit(DeltaTable(folder), folder, files, "overwrite", Schema.from_json(schema), entry)


def _commit(
    table: DeltaTable, folder: Path, files: Iterable[TableFile], mode: str, schema: Schema, entry: Entry
) -> None:
    from deltalake import DeltaTable
    from deltalake.transaction import PostCommitHookProperties

    table.create_write_transaction(
        [_action(folder, file) for file in files],
        mode,
        schema,
        commit_properties=entry.properties(),
        post_commithook_properties=PostCommitHookProperties(create_checkpoint=False),
    )
    if (table.version() + 1) % _CHECKPOINT_EVERY == 0:  # it stays at the version that it was loaded at
        DeltaTable(folder).create_checkpoint()


def create_with_files(
    folder: Path, files: Iterable[TableFile], schema: str, settings: Mapping[str, str], entry: Entry
) -> None:
    """Commit files as the first version of a table.

    Args:
        folder: the table's.
        files: its rows.
        schema: its columns, as Delta's protocol has them: the JSON of Spark's own schema.
        settings: its settings, by Delta's names.
        entry: what else the commit says.
    """
    from deltalake import Schema
    from deltalake.transaction import create_table_with_add_actions

    create_table_with_add_actions(
        str(folder),
        Schema.from_json(schema),
        [_action(folder, file) for file in files],
        configuration=settings,
        commit_properties=entry.properties(),
    )


def _action(folder: Path, file: TableFile) -> AddAction:
    from deltalake.transaction import AddAction

    found = (folder / file.name).stat()
    kept = [column for column in file.least if column in PRUNED_BY]
    stats = {
        "numRecords": file.rows,
        "minValues": {column: file.least[column] for column in kept},
        "maxValues": {column: file.greatest[column] for column in kept},
        "nullCount": dict.fromkeys(kept, 0),
    }
    return AddAction(
        path=file.name,
        size=found.st_size,
        partition_values={},
        modification_time=found.st_mtime_ns // 1_000_000,
        data_change=True,
        stats=orjson.dumps(stats).decode(),
    )
