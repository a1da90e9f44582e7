"""The merge worker: updates from the log into Redis, fenced. Plain Python."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from jobs.process import collect_rarely, context, guarded

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(partitions: Sequence[int] | None = None) -> int:
    """Run the worker until SIGTERM, on these partitions or on its share of all; return the exit code."""
    from speed_layer.merging import run_merge  # a worker loads what it needs, and no more

    collect_rarely()
    return guarded(lambda: run_merge(context(), partitions))


if __name__ == "__main__":
    sys.exit(main())
