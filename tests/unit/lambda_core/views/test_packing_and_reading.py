"""Tables of cases for one entity's answer: what each side holds, t, and what comes out."""

import random

import pytest

from lambda_core.views.packing import unpack
from lambda_core.views.reading import EntityReader, read_group
from lambda_core.views.speed import SeenKeys, SpeedHash
from tests.laws.oracle import Event
from tests.laws.worlds import DUPLICATE_HORIZON_MS, batch_value, definition, update_of

WINDOW = (30, 10)
NONE = dict.fromkeys(("whole", "money", "real", "word"))
DECLARED = definition(ring=2, windows=[WINDOW])
GROUP = DECLARED.groups["things"]


def event(event_ms, whole=1, offset=0, partition=0):
    return Event(partition, offset, 0, event_ms, values={**NONE, "whole": whole})


def hash_of(*times, ring=2):
    hash_, seen = SpeedHash(), SeenKeys(DUPLICATE_HORIZON_MS)
    for offset, event_ms in enumerate(times):
        hash_.apply(GROUP, update_of(GROUP, event(event_ms, offset=offset)), seen, ring)
    return SpeedHash.decode(hash_.encode())


def count(batch, speed, t_ms):
    value = batch_value(GROUP, [event(event_ms, offset=offset) for offset, event_ms in enumerate(batch)])
    reading = read_group(GROUP, "e", value, [hash_of(*times) for times in speed], t_ms)
    return reading.values["things__count_30ms"], reading.provenance


@pytest.mark.parametrize(
    ("batch", "speed", "t_ms", "expected", "edge"),
    [
        ([], [], 100, 0, False),
        ([65, 70, 99], [], 100, 2, False),
        ([69, 70], [], 100, 1, False),
        ([70, 100], [], 100, 1, False),
        ([70, 101], [], 101, 2, True),  # the tile of 100 holds only 101, and is taken whole
        ([], [[95, 100]], 100, 1, False),
        ([], [[95, 99, 100]], 100, 2, False),
        ([], [[91, 92, 93, 94]], 95, 4, False),
        ([], [[91, 98, 99, 99]], 95, 2, True),
        ([], [[61, 98, 99, 99]], 95, 2, True),
        ([70], [[71], [72]], 100, 3, False),
    ],
)
def test_each_side_counts_what_lies_in_the_window(batch, speed, t_ms, expected, edge):
    found, provenance = count(batch, speed, t_ms)
    assert (found, provenance.edge) == (expected, edge)


@pytest.mark.parametrize(
    ("batch", "speed", "from_batch", "from_speed", "last"),
    [
        ([], [], False, False, None),
        ([10], [], False, False, 10),
        ([90], [], True, False, 90),
        ([], [[90]], False, True, 90),
        ([90], [[95], [80]], True, True, 95),
        ([90], [[5, 6, 7]], True, False, 90),
        ([], [[0]], False, False, 0),
    ],
)
def test_an_answer_says_which_side_it_came_from_and_how_fresh_it_is(batch, speed, from_batch, from_speed, last):
    _, provenance = count(batch, speed, 100)
    assert (provenance.from_batch, provenance.from_speed) == (from_batch, from_speed)
    assert provenance.last_event_ms == last


@pytest.mark.parametrize("seed", range(20))
def test_reads_that_share_a_reader_are_those_of_readers_of_their_own_in_any_order(seed):
    draw = random.Random(seed)
    moments = [draw.randrange(300) for _ in range(60)]
    value = batch_value(GROUP, [event(event_ms, event_ms, offset) for offset, event_ms in enumerate(moments[:20])])
    hashes = [hash_of(*moments[first : first + 10]) for first in range(20, 60, 10)]
    shared = EntityReader(GROUP, "e", value, hashes)

    for t_ms in draw.choices(range(320), k=60):
        assert shared.read(t_ms) == read_group(GROUP, "e", value, hashes, t_ms)


def test_positions_are_the_greatest_over_the_periods():
    hashes = [SpeedHash(fence={0: 5, 1: 2}), SpeedHash(fence={0: 3, 2: 9})]
    assert read_group(GROUP, "e", None, hashes, 100).provenance.positions == {0: 5, 1: 2, 2: 9}


def test_a_value_that_left_its_range_is_none_and_named():
    value = batch_value(GROUP, [event(90, 2**63 - 1), event(91, 2**63 - 1, 1)])
    reading = read_group(GROUP, "e", value, [], 100)
    overflowed = {name for name, value in reading.values.items() if value is None and "whole" in name}
    assert (
        overflowed == set(reading.overflowed) == {f"things__whole_{kind}_30ms" for kind in ("sum", "mean", "variance")}
    )
    assert reading.values["things__whole_max_30ms"] == 2**63 - 1


def test_a_view_without_tiles_answers_as_no_event():
    from lambda_core.views.packing import pack

    empty = unpack(pack(GROUP, 0, {}))
    assert empty.hops[10].suffix(0) is None
    assert empty.hops[10].between(0, 100) == []
    assert read_group(GROUP, "e", empty, [], 100).values["things__count_30ms"] == 0


@pytest.mark.parametrize("order", [[1, 2, 3, 4], [4, 3, 2, 1], [2, 4, 1, 3]])
def test_the_newest_events_stay_single_in_whatever_order_they_came(order):
    hash_ = hash_of(*(10 * place for place in order))
    assert [moment.event_time_ms for moment, _ in hash_.singles] == [30, 40]
    assert sorted(hash_.tiles) == [(10, 10), (10, 20)]
    assert (hash_.folded_ms, hash_.last_event_ms()) == (20, 40)
    assert sorted(hash_.places) == [0, 1]


def test_a_fence_drops_what_is_not_newer_and_each_partition_has_its_own():
    hash_, seen = SpeedHash(), SeenKeys(DUPLICATE_HORIZON_MS)
    outcomes = [
        hash_.apply(GROUP, update_of(GROUP, event(1, offset=offset, partition=partition)), seen, 2)
        for offset, partition in [(3, 0), (3, 0), (2, 0), (2, 1), (4, 0)]
    ]
    assert outcomes == ["applied", "fenced", "fenced", "applied", "applied"]
    assert hash_.fence == {0: 4, 1: 2}


def test_a_hash_that_holds_nothing_comes_back_as_nothing():
    assert SpeedHash.decode({}) == SpeedHash.decode(SpeedHash().encode()) == SpeedHash()
    assert SpeedHash().last_event_ms() == -1


@pytest.mark.parametrize(
    ("appends", "duplicates"),
    [
        ([0, DUPLICATE_HORIZON_MS], [False, True]),
        ([0, DUPLICATE_HORIZON_MS + 1], [False, False]),
        ([0, DUPLICATE_HORIZON_MS, DUPLICATE_HORIZON_MS + 1], [False, True, False]),
        ([900, 0], [False, True]),
    ],
)
def test_a_copy_is_measured_from_the_one_kept_last(appends, duplicates):
    seen = SeenKeys(DUPLICATE_HORIZON_MS)
    copies = [
        update_of(GROUP, Event(0, offset, append, 1, values=NONE, unique="a")) for offset, append in enumerate(appends)
    ]
    assert [seen.is_duplicate(copy) for copy in copies] == duplicates
    assert [seen.is_duplicate(copy) for copy in copies[-1:]] == duplicates[-1:]
