"""One message of the updates topic, read and looked at: what the script could not take never gets to it.

A row that was kept and cannot be merged would stop every later update of its entity, so each component is looked at
before: its group must be known, its row as wide as the group's states, numbers must be numbers. Floats are written as
the core writes them: Spark's shortest text has other bytes.
"""

from __future__ import annotations

import math
import re
from operator import itemgetter
from typing import TYPE_CHECKING

import msgspec

from lambda_core.errors import DataError
from lambda_core.features.aggregations import OVERFLOW, encode_component
from lambda_core.schemas.messages import Update

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from lambda_core.features.definition import Definition, FeatureGroup

_INTEGER = re.compile(r"-?[0-9]{1,38}|!|")
_DIGITS = 38
_DECODER = msgspec.json.Decoder(Update)


class UnreadableError(DataError):
    """A message is no update that this definition could have made.

    Operator action: find who else writes to the project's own topic; the message is left out, nothing waits for it.
    """


class UpdateReader:
    """Reads updates of these definitions; those of others are none of its business."""

    def __init__(self, definitions: Iterable[Definition] = ()) -> None:
        self._rows = {own.id: {name: _Rows(name, group) for name, group in own.groups.items()} for own in definitions}

    def read(self, value: bytes) -> Update | None:
        """Return the update; None when it is of another definition.

        Raises:
            UnreadableError: when it is no update of ours.
        """
        try:
            update = _DECODER.decode(value)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise UnreadableError(str(error)) from error
        groups = self._rows.get(update.definition)
        if groups is None:
            return None
        if update.group not in groups:
            raise UnreadableError(f"expected a group of definition {update.definition}, found {update.group!r}")
        row = groups[update.group].exact(update.row)
        return update if row is update.row else msgspec.structs.replace(update, row=row)


class _Rows:
    """The rows of one group: which components are integers, which floats (texts may be anything)."""

    def __init__(self, name: str, group: FeatureGroup) -> None:
        codes = group.components
        self._name, self._width = name, len(codes)
        self._integers = [place for place, code in enumerate(codes) if code == "i"]
        self._floats = [place for place, code in enumerate(codes) if code == "f"]
        self._pick: Callable[[list[str]], Iterable[str]] = itemgetter(*self._integers) if self._integers else _nothing

    def exact(self, row: list[str]) -> list[str]:
        """Return the row with its floats as the core writes them."""
        if len(row) != self._width:
            raise UnreadableError(f"group {self._name}: expected {self._width} components, found {len(row)}")
        # Most integers have neither a sign nor a missing value: all of them are looked at as one text.
        digits = "".join(self._pick(row))
        if not (digits.isdigit() and digits.isascii() and max(map(len, row)) <= _DIGITS):
            for place in self._integers:
                if not _INTEGER.fullmatch(row[place]):
                    raise UnreadableError(f"expected an integer of at most 38 digits, found {row[place][:100]!r}")
        if not self._floats:
            return row
        exact = list(row)
        for place in self._floats:
            exact[place] = _float(row[place])
        return exact


def _nothing(_: list[str]) -> Iterable[str]:
    return ()


def _float(text: str) -> str:
    if text in {"", OVERFLOW}:
        return text
    try:
        number = float(text)
    except ValueError as error:
        raise UnreadableError(f"expected a number, found {text[:100]!r}") from error
    if not math.isfinite(number):
        raise UnreadableError(f"expected a finite number, found {text[:100]!r}")
    return encode_component("f", number)
