"""Parts of the speed layer over the tiny project, in processes of their own that can be killed."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

from lambda_core.context import RunContext

PROGRAM = """
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from speed_shop import shop_context
context = shop_context(Path(sys.argv[2]), sys.argv[3], sys.argv[4], name=sys.argv[5])
"""
QUERY = "from speed_layer.preparation import start_query; start_query(context).awaitTermination()"
MERGE = "from speed_layer.merging import run_merge; run_merge(context)"
SCORE = "from speed_layer.scoring import run_score; run_score(context)"


@contextmanager
def process(context: RunContext, what: str, log: Path | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """Run a part of the speed layer in a process of its own, and end it and all that it started by SIGKILL.

    What it logs goes to the file, where one is given.
    """
    arguments = (str(Path(__file__).parent), str(context.environment.state), context.environment.kafka)
    url = context.environment.redis.get_secret_value()
    command = [sys.executable, "-c", PROGRAM + what, *arguments, url, context.project.project]
    with log.open("ab") if log else nullcontext() as said:
        running = subprocess.Popen(
            command, env={**os.environ, "PYTHONPATH": str(Path.cwd())}, stdout=said, start_new_session=True
        )
    try:
        yield running
    finally:
        with suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGKILL)
        running.wait()
