"""A file seen once from beginning to end: what it is, where tasks can begin to read, and how far its records' numbers go."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lambda_core.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

LINE_ENDS = b"\r\n"
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_BLOCK_BYTES = 1024 * 1024
_CHUNK_BYTES = 8 * _BLOCK_BYTES
"""What a task holds of a file at a time, and what becomes a row group, which others read by itself."""
_MOST_CHUNKS = 256


@dataclass(frozen=True)
class Chunk:
    """Whole lines of a file: bytes `[start, end)`, the first line's number counted from 0 (the header, if any)."""

    start: int
    end: int
    first_number: int


@dataclass(frozen=True)
class Scan:
    """A file seen once from beginning to end.

    Attributes:
        sha256: of its content.
        chunks: what tasks can read by themselves.
        end: the number that follows the last line that is not empty, counted as in a chunk; 0 where all are empty.
    """

    sha256: str
    chunks: tuple[Chunk, ...]
    end: int


@dataclass(frozen=True)
class Lines:
    """A file's lines as records, which tasks read, and write as they are; one row a line that is not empty.

    A record's number counts lines from 0, empty ones too, so that it follows from the file alone. On a cluster the path
    must be one that the executors see.

    Attributes:
        header: whether the first line is no record; then the next one has number 0.
    """

    path: Path
    scan: Scan
    header: bool

    @property
    def end(self) -> int:
        """The number that follows the last record's; 0 where there is no record."""
        return max(0, self.scan.end - self.header)

    @property
    def bytes(self) -> int:
        """How long the file is."""
        return self.scan.chunks[-1].end if self.scan.chunks else 0


def scan(path: Path, chunk_bytes: int = _CHUNK_BYTES) -> Scan:
    """Return a file's content hash, its chunks, cut after line ends, and where its lines end.

    Args:
        path: the file.
        chunk_bytes: least size of a chunk but the last; more where the file would have more than 256 chunks.
    """
    least = max(chunk_bytes, path.stat().st_size // _MOST_CHUNKS)
    digest, chunks = hashlib.sha256(), []
    start = number = place = lines = end = 0  # `lines` end before `place`
    with path.open("rb") as file:
        while block := file.read(min(_BLOCK_BYTES, least)):
            digest.update(block)
            ended, text = block.count(b"\n"), len(block.rstrip(LINE_ENDS))
            if text:
                end = lines + ended - block.count(b"\n", text) + 1
            cut = place + block.rfind(b"\n") + 1
            if ended and cut - start >= least:
                chunks.append(Chunk(start, cut, number))
                start, number = cut, lines + ended
            place, lines = place + len(block), lines + ended
    if place > start:
        chunks.append(Chunk(start, place, number))
    if end == 1 and not _first(path):  # nothing but a byte order mark
        end = 0
    return Scan(digest.hexdigest(), tuple(chunks), end)


def first_line(path: Path) -> str:
    """Return a file's first line without its end and without a byte order mark; empty when the file is.

    Raises:
        DataError: when it is no UTF-8.
    """
    try:
        return _first(path).decode()
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: expected UTF-8 in the first line, found other bytes; save the file as UTF-8"
        ) from error


def _first(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.readline().removeprefix(BYTE_ORDER_MARK).rstrip(LINE_ENDS)
