"""The batch job as a process that follows requests."""

import pytest
import structlog

from jobs import batch
from lambda_core.errors import ConfigError


@pytest.fixture
def ran(monkeypatch):
    """The stages and parts that were run; a stage named `segregation` is refused."""
    found = []

    def run(named, part, make_context):
        found.append((named, part.sources, part.since_ms))
        if "segregation" in named:
            raise ConfigError("no split")

    monkeypatch.setattr(batch, "run", run)
    return found


def test_every_line_is_run_as_a_command_would_be(ran):
    code = batch.follow(["preparation training_rows --source=orders --since=1970-01-02\n", "'publishing'\n"])

    assert code == 0
    assert ran == [(["preparation", "training_rows"], ("orders",), 86_400_000), (["publishing"], (), None)]


def test_what_is_refused_ends_its_own_line_alone(ran, capsys):
    with structlog.testing.capture_logs() as logged:
        code = batch.follow(["segregation\n", "nonsense\n", "publishing\n"])

    assert code == 2
    assert [entry["code"] for entry in logged if entry["event"] == batch.DONE] == [2, 2, 0]
    assert "no split" in capsys.readouterr().err
    assert ran[-1] == (["publishing"], (), None)
