"""Publications go on as long as the replay does, and what fails in them is not lost."""

from __future__ import annotations

import time
from threading import Event

import pytest

from demo.publications import Publications


class Batch:
    """Takes requests; each waits until it is let go."""

    def __init__(self, *, fails: bool = False) -> None:
        self.asked: list[tuple[str, ...]] = []
        self.begun, self.go_on = Event(), Event()
        self.fails = fails

    def run(self, arguments):
        self.asked.append(tuple(arguments))
        self.begun.set()
        self.go_on.wait(10)
        if self.fails:
            raise RuntimeError("the stage failed")


def test_one_follows_the_other_until_the_block_ends_and_the_last_is_waited_for():
    batch = Batch()
    with Publications(batch, ("preparation", "publishing")) as views:
        assert batch.begun.wait(10)
        assert views.until(time.monotonic_ns()) == 0
        batch.go_on.set()
        while len(views.flipped_ns) < 3:
            time.sleep(0.001)
        between = views.flipped_ns[1]

    assert views.until(between) == 2
    assert len(views.flipped_ns) == len(batch.asked)
    assert set(batch.asked) == {("preparation", "publishing")}


def test_a_view_is_late_once_the_messages_are_further_than_its_share_until_it_is_done():
    batch = Batch()
    with Publications(batch, ("publishing",), due=(0.5, 0.9)) as views:
        assert batch.begun.wait(10)
        assert [views.is_late(share) for share in (0.0, 0.49, 0.5, 1.0)] == [False, False, True, True]
        batch.go_on.set()
        while len(views.flipped_ns) < 2:
            time.sleep(0.001)
        assert not views.is_late(1.0)


def test_no_view_is_late_where_publishing_failed_or_none_is_due():
    batch = Batch(fails=True)
    failing = Publications(batch, ("publishing",), due=(0.5,))
    with pytest.raises(RuntimeError), failing:
        batch.go_on.set()
    assert len(failing.flipped_ns) == 0
    assert not failing.is_late(0.5)

    batch.fails = False
    with Publications(batch, ("publishing",)) as views:
        assert not views.is_late(1.0)


def test_a_stage_that_fails_is_raised_at_the_end_of_the_block():
    batch = Batch(fails=True)
    batch.go_on.set()
    with pytest.raises(RuntimeError, match="the stage failed"), Publications(batch, ("publishing",)):
        assert batch.begun.wait(10)

    assert len(batch.asked) == 1


def test_what_fails_in_the_block_itself_comes_first():
    batch = Batch(fails=True)
    batch.go_on.set()
    with pytest.raises(KeyError), Publications(batch, ("publishing",)):
        raise KeyError
