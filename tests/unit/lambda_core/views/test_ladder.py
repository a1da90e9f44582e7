"""Better wrong than late: which rung answers, and when."""

from __future__ import annotations

import asyncio
import threading
from time import monotonic

import pytest

from lambda_core.config.project import Rung
from lambda_core.errors import ServerError, StoreError
from lambda_core.views.ladder import Ladder

RUNGS = (Rung(source="merged"), Rung(source="batch_only"), Rung(source="default", value=0.5))


@pytest.fixture(params=["threads", "event loop"])
def climb(request):
    """Return a function that climbs a ladder, from a thread or from an event loop."""
    if request.param == "threads":
        return lambda ladder, attempt: ladder.climb(attempt)
    return lambda ladder, attempt: asyncio.run(ladder.climb_async(attempt))


@pytest.fixture
def told():
    return []


@pytest.fixture
def ladder(told):
    made = Ladder(RUNGS, 10_000, lambda source, reason: told.append((source, reason)))
    yield made
    made.close()


def test_the_first_rung_answers_when_it_can(ladder, climb, told):
    assert climb(ladder, lambda rung: rung.source) == "merged"
    assert told == []


def test_a_rung_that_fails_gives_way_to_the_next_and_says_why(ladder, climb, told):
    def attempt(rung):
        if rung.source == "merged":
            raise StoreError("Redis is away")
        return rung.source

    assert climb(ladder, attempt) == "batch_only"
    assert told == [("merged", "Redis is away")]


def test_rungs_that_hang_are_left_within_the_deadline(climb, told):
    never, ladder = threading.Event(), Ladder(RUNGS, 100, lambda source, reason: told.append((source, reason)))

    def attempt(rung):
        if rung.source != "default":
            never.wait(5)
        return rung.source

    begin = monotonic()
    answer = climb_and_time(climb, ladder, attempt, never)
    ladder.close()

    assert answer[0] == "default"
    assert 0.08 <= answer[1] - begin < 1  # the threads hang for five
    assert told == [("merged", "late"), ("batch_only", "late")]


def climb_and_time(climb, ladder, attempt, never):
    try:
        return climb(ladder, attempt), monotonic()
    finally:
        never.set()


def test_a_hanging_rung_does_not_keep_the_next_one_waiting(monkeypatch):
    monkeypatch.setattr("lambda_core.views.ladder.SHARE", 0.02)  # 200 ms for the rung that hangs
    never, ladder = threading.Event(), Ladder(RUNGS, 10_000, threads=1)

    def attempt(rung):
        if rung.source == "merged":
            never.wait(60)  # longer than the whole deadline: whoever waited for it would fall to the default
        return rung.source

    answers = [ladder.climb(attempt) for _ in range(3)]
    never.set()
    ladder.close()

    assert answers == ["batch_only"] * 3


def test_a_ladder_without_an_answer_says_how_to_end_it(climb):
    ladder = Ladder(RUNGS[:1], 100)

    def attempt(_):
        raise StoreError("away")

    with pytest.raises(ServerError, match=r"no rung of the ladder answered \(merged\)"):
        climb(ladder, attempt)
    ladder.close()


def test_an_error_that_nobody_expected_is_no_reason_for_another_rung(ladder, climb):
    def attempt(_):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        climb(ladder, attempt)
