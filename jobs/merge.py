"""The merge worker: updates from the log into Redis, fenced. Plain Python."""

import sys

from jobs.process import context, guarded


def main() -> int:
    """Run the worker until SIGTERM; return the exit code."""
    from speed_layer.merging import run_merge  # a worker loads what it needs, and no more

    return guarded(lambda: run_merge(context()))


if __name__ == "__main__":
    sys.exit(main())
