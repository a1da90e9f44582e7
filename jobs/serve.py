"""The HTTP server of the serving layer. Plain Python: neither Spark nor MLflow is loaded."""

import sys

from jobs.process import collect_rarely, context, guarded


def main() -> int:
    """Serve until SIGTERM; return the exit code."""
    from serving_layer.api import serve  # serving is loaded by the process that serves

    collect_rarely()
    return guarded(lambda: serve(context()))


if __name__ == "__main__":
    sys.exit(main())
