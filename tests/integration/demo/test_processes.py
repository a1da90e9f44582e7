"""The process that runs the demo's batch stages: what it is asked for, it does, and says how that ended."""

import pytest
from rich.console import Console

from demo.processes import Batch, DemoError


def test_requests_are_answered_one_by_one_until_one_fails(tmp_path):
    log = tmp_path / "logs" / "batch.log"

    with Batch(log, {"MAINSTEM_STATE": str(tmp_path)}, Console(quiet=True)) as batch:
        batch.run(["--help"])
        with pytest.raises(DemoError, match=r"(?s)batch stages nonsense failed; .*batch\.log:\n.*invalid choice"):
            batch.run(["nonsense"])
        batch.run(["--help"])

    assert log.read_text().count("request done") == 3
