"""The batch stages, for spark-submit: `spark-submit.sh jobs/batch.py [STAGE ...]`; all of them when none is named."""

from __future__ import annotations

import argparse
import sys

from jobs.process import context, guarded
from jobs.stages import STAGES, stage
from lambda_core.runner import Runner


def main(arguments: list[str] | None = None) -> int:
    """Run the named stages one after the other; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, epilog=f"Stages, in order: {', '.join(STAGES)}.")
    parser.add_argument("stages", nargs="*", metavar="STAGE", choices=[*STAGES, []], help="a stage; default: all")
    named = parser.parse_args(arguments).stages or list(STAGES)
    return guarded(lambda: run(named))


def run(named: list[str]) -> None:
    """Run the named stages in one context, each with its audit, lineage and timing."""
    runner = Runner(context())
    for name in named:
        runner.run(name, stage(name))


if __name__ == "__main__":
    sys.exit(main())
