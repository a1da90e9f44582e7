from pathlib import Path

import pytest

from demo.freshness import Freshness, Prober, Watch, watched_groups
from demo.oracle.declared import read
from demo.replay import Delivered, Mark, Replay, marked_places, topics
from demo.sources import Record

RECORDS = [Record("departures", b"k%d" % n, b"{}", n, entity=(("carrier", "UA"),)) for n in range(50)]
FOLDER = Path(__file__).resolve().parents[3] / "conf" / "flights"


WATCHED = {"departures": ("departures_by_carrier", ("carrier",))}


class Log:
    """A producer that confirms at the next poll, as the library does, and is full now and then."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, bytes, bytes]] = []
        self.waiting: list = []
        self.full = 3

    def produce(self, topic, value, key, on_delivery):
        if self.full and len(self.sent) == 10:
            self.full -= 1
            raise BufferError
        self.sent.append((topic, value, key))
        self.waiting.append((on_delivery, Place(len(self.sent) - 1)))

    def poll(self, seconds):
        waiting, self.waiting = self.waiting, []
        for on_delivery, place in waiting:
            on_delivery(None, place)

    def flush(self):
        self.poll(0)


class Place:
    def __init__(self, offset):
        self._offset = offset

    def partition(self):
        return 0

    def offset(self):
        return self._offset


def test_every_message_is_sent_once_in_order_and_counted_when_confirmed():
    log = Log()
    outcome = Replay(log, {"departures": "t"}).run(RECORDS, rate=1e6)

    assert [key for _, _, key in log.sent] == [record.key for record in RECORDS]
    assert outcome.sent == {"departures": 50}
    assert outcome.kinds["departures"] == {"record": 50, "duplicate": 0, "poison": 0}


def test_the_rate_is_kept():
    outcome = Replay(Log(), {"departures": "t"}).run(RECORDS, rate=1000)

    assert outcome.rate == pytest.approx(1000, rel=0.3)


def test_messages_are_sent_slower_while_what_they_wait_for_is_late():
    late = iter([False] * 40 + [True] * 10)
    shares: list[float] = []

    def is_late(share: float) -> bool:
        shares.append(share)
        return next(late)

    outcome = Replay(Log(), {"departures": "t"}, is_late=is_late).run(RECORDS, rate=1000)

    due_ms = 40.0
    for left in range(10, 1, -1):  # as long again for what is left, from each message on
        due_ms += due_ms / left
    assert due_ms == pytest.approx(220)
    assert (outcome.ended_ns - outcome.began_ns) / 1e6 >= due_ms
    assert shares == [place / 50 for place in range(50)]


def test_a_marked_message_is_announced_before_and_found_after():
    heard: list = []
    outcome = Replay(Log(), {"departures": "t"}, heard.append).run(RECORDS, rate=1e6)
    marks = {said.number: said for said in heard if isinstance(said, Mark)}
    found = {said.number: said for said in heard if isinstance(said, Delivered)}

    assert outcome.marked == len(marks) == len(found) == 50
    assert all(found[number].offset == number for number in marks)


def test_marks_are_spread_over_true_records_only():
    mixed = [Record("weather", b"", b"", n, "poison" if n % 2 else "record") for n in range(1000)]
    places = marked_places(mixed, 100)

    assert len(places) == 100
    assert all(mixed[place].kind == "record" for place in places)
    assert max(places) > 900


def test_topics_are_those_that_the_project_declares():
    assert topics(FOLDER) == {
        "departures": "flights.departures",
        "arrivals": "flights.arrivals",
        "weather": "flights.weather",
    }


def test_a_message_is_fresh_from_its_sending_until_a_position_reaches_its_offset():
    progress = iter([{}, {0: 4}, {0: 5}, {0: 9}])
    watch = Watch(lambda group, entity: next(progress))
    watch.hear({"number": 1, "group": "g", "entity": "e", "sent_ns": 0})
    for _ in range(3):
        watch.look()
    assert watch.waiting == 1, "nobody knows yet where it lies"
    watch.hear({"number": 1, "partition": 0, "offset": 5})
    watch.look()

    assert watch.waiting == 0
    assert len(watch.measured) == 1


def test_what_was_readable_before_its_position_was_known_counts_from_when_it_was_read():
    seen = Watch(lambda group, entity: {0: 7})
    seen.hear({"number": 1, "group": "g", "entity": "e", "sent_ns": 0})
    seen.look()
    first = next(iter(seen._waiting.values())).read[0][0]
    seen.hear({"number": 1, "partition": 0, "offset": 7})
    seen.look()

    assert seen.measured == [first / 1e6]


def test_the_prober_measures_in_a_process_of_its_own():
    prober = Prober(WATCHED, "demo.freshness:arrived_at", [{0: 10**9}])
    Replay(Log(), {"departures": "t"}, prober).run(RECORDS, rate=500)
    fresh = prober.finish(5)

    assert (len(fresh.milliseconds), fresh.unseen) == (50, 0)
    assert all(0 <= milliseconds < 1000 for milliseconds in fresh.milliseconds)


def test_what_never_arrives_is_said_to_be_unseen():
    prober = Prober(WATCHED, "demo.freshness:arrived_at", [{0: 10}])
    Replay(Log(), {"departures": "t"}, prober).run(RECORDS, rate=500)
    fresh = prober.finish(0.2)

    assert (len(fresh.milliseconds), fresh.unseen) == (11, 39)


def test_of_each_source_with_a_log_a_group_is_watched():
    watched = watched_groups(read(FOLDER, "departure"))

    assert set(watched) == set(topics(FOLDER))
    assert all(group.startswith(source) for source, (group, _) in watched.items())


def test_percentiles_are_measurements():
    fresh = Freshness(tuple(float(n) for n in range(1, 101)), 0)

    assert (fresh.percentile(0.5), fresh.percentile(0.99), Freshness((), 3).percentile(0.5)) == (51.0, 100.0, None)
