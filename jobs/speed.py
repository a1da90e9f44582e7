"""The streaming queries, for spark-submit: sources to updates, requests and quarantine, and to the raw tables."""

import sys

from jobs.process import context, guarded


def main() -> int:
    """Run the queries until SIGTERM; return the exit code."""
    from speed_layer import run_speed  # Spark is loaded by the process that needs it

    return guarded(lambda: run_speed(context(streaming=True)))


if __name__ == "__main__":
    sys.exit(main())
