"""One demo for all tests of this folder: a day of messages, with the merge worker killed on the way.

Its batch stages run in this process, whose Spark the tests before have warmed; everything else runs as always.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from demo.main import Place, run_demo
from jobs import batch
from local_stack import stack
from local_stack.ports import free_port

ROOT = Path(__file__).parents[2]
ADAPTIVE = "spark.sql.adaptive.enabled"
"""On, as everywhere but in the tests of small tables (see tests/conftest.py)."""
SINCE = "2013-05-01"
"""Seven months of history for one day of messages: as few as the models of all partitions need to be promoted."""


@dataclass(frozen=True)
class Ran:
    """What a demo left: its exit code, its report, and where it still runs."""

    code: int
    report: dict[str, Any]
    place: Place
    variables: dict[str, str]


@dataclass(frozen=True)
class Here:
    """Batch stages in this process, as `jobs.batch` runs them in one of its own."""

    variables: dict[str, str]

    def run(self, arguments: Sequence[str]) -> None:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self.variables.items():
                patch.setenv(name, value)
            assert batch.main(list(arguments)) == 0, f"batch stages failed: {arguments}"


@pytest.fixture(scope="session")
def demo(spark, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ran]:
    """A demo that has ended, with its system still running."""
    folder = tmp_path_factory.mktemp("demo")
    settings = yaml.safe_load((ROOT / "conf/environments/local.yaml").read_text())
    settings |= {"state": str(folder / "state"), "data": str(folder / "data")}
    settings["api"]["port"] = free_port()
    settings["spark"]["driver_memory"] = "3g"
    environment = folder / "environment.yaml"
    environment.write_text(yaml.safe_dump(settings))
    place = Place(environment, folder / "stack", folder / "report.json")
    spark.conf.set(ADAPTIVE, "true")
    try:
        code = run_demo(
            days=1,
            kill=["merge"],
            since=SINCE,
            place=place,
            batches=lambda stage: nullcontext(Here(stage.variables)),
        )
        addresses = stack.status(place.stack).addresses
        variables = {"MAINSTEM_ENVIRONMENT": str(environment.with_suffix(""))}
        variables |= addresses.as_environment() if addresses else {}
        yield Ran(code, json.loads(place.report.read_text()), place, variables)
    finally:
        stack.down(place.stack)
        spark.conf.set(ADAPTIVE, "false")
