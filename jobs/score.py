"""The scoring worker: requests from the log to scores in Redis and on the scores topic. Plain Python."""

import sys

from jobs.process import collect_rarely, context, guarded


def main() -> int:
    """Run the worker until SIGTERM; return the exit code."""
    from speed_layer.scoring import run_score  # a worker loads what it needs, and no more

    collect_rarely()
    return guarded(lambda: run_score(context()))


if __name__ == "__main__":
    sys.exit(main())
