"""What a generation makes immutable may be kept by whoever reads it: batch values, never the speed part."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lambda_core.views.packing import BatchValue

BATCH_VALUES = 4_096
"""How many batch values a process keeps."""


class BatchCache:
    """The batch values read last, by their key; also that an entity has none."""

    def __init__(self, size: int = BATCH_VALUES) -> None:
        self._size = size
        self._kept: OrderedDict[str, BatchValue | None] = OrderedDict()
        self._lock = Lock()

    def has(self, key: str) -> bool:
        """Tell whether it is known what the key holds."""
        return key in self._kept

    def get(self, key: str) -> BatchValue | None:
        """Return what the key holds.

        Raises:
            KeyError: when that is not known (any more).
        """
        with self._lock:
            self._kept.move_to_end(key)
            return self._kept[key]

    def keep(self, key: str, value: BatchValue | None) -> None:
        """Keep what the key holds, instead of what was asked for longest ago."""
        with self._lock:
            self._kept[key] = value
            while len(self._kept) > self._size:
                self._kept.popitem(last=False)
