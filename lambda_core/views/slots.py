"""Slots of a Redis Cluster: which one a hash tag falls into, and for each slot a tag that falls into it.

A script may touch keys of one slot only. What every slot has to have of its own (its epoch mark) is therefore a key with
the tag of that slot, and moves with it wherever the slot goes.
"""

from binascii import crc_hqx
from functools import cache
from itertools import count

SLOTS = 16_384
SCHEME = "redis+cluster://"


def is_cluster(url: str) -> bool:
    """Tell whether an address is that of a cluster: `redis+cluster://[user:password@]host:port[,host:port ...]`."""
    return url.startswith(SCHEME)


def slot_of(tag: str) -> int:
    """Return the slot of keys with this hash tag (what stands between the first braces).

    >>> slot_of("123456789")
    12739
    """
    return crc_hqx(tag.encode(), 0) % SLOTS


def tag_of(slot: int) -> str:
    """Return a hash tag of this slot, always the same: the least whole number that falls into it.

    >>> slot_of(tag_of(7))
    7
    """
    return _tags()[slot]


@cache
def _tags() -> tuple[str, ...]:
    found: dict[int, str] = {}
    numbers = count()
    while len(found) < SLOTS:
        tag = str(next(numbers))
        found.setdefault(slot_of(tag), tag)
    return tuple(found[slot] for slot in range(SLOTS))
