"""The end of the queries: all at once, and in time even where one of them waits for a server that is away."""

from threading import Event
from types import SimpleNamespace

import pytest
import structlog
from py4j.protocol import Py4JNetworkError

from speed_layer.preparation import running


class Query:
    """Stops when it is let go."""

    def __init__(self, name, goes=None):
        self.name, self.goes, self.stopped = name, goes, False

    def stop(self):
        if self.goes is not None:
            assert self.goes.wait(10)
        self.stopped = True


def context_of(halted):
    """Return a context whose JVM is noted as halted, and answers no more."""

    def halt(code):
        halted.append(code)
        raise Py4JNetworkError("Answer from Java side is empty")

    runtime = SimpleNamespace(halt=halt)
    jvm = SimpleNamespace(
        java=SimpleNamespace(lang=SimpleNamespace(Runtime=SimpleNamespace(getRuntime=lambda: runtime)))
    )
    spark = SimpleNamespace(sparkContext=SimpleNamespace(_jvm=jvm))
    return SimpleNamespace(log=structlog.get_logger(), spark=spark)


def test_queries_that_stop_leave_the_jvm_to_who_made_it():
    halted, own = [], [Query("updates"), Query("raw")]
    with running._stopped(context_of(halted)) as queries:
        queries.extend(own)
    assert [query.stopped for query in own] == [True, True]
    assert halted == []


def test_a_query_that_waits_for_its_server_keeps_neither_the_others_nor_the_process(monkeypatch):
    monkeypatch.setattr(running, "STOP_S", 1)
    halted, away = [], Event()
    own = [Query("updates", away), Query("raw")]
    with running._stopped(context_of(halted)) as queries:
        queries.extend(own)
    assert [query.stopped for query in own] == [False, True]
    assert halted == [0]
    away.set()


def test_a_query_that_cannot_be_stopped_is_told(monkeypatch):
    broken = Query("updates")
    monkeypatch.setattr(broken, "stop", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError), running._stopped(context_of([])) as queries:
        queries.append(broken)
