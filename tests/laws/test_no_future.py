"""A training row sees exactly the events that were before t and known by then, and equals the aggregation's answer."""

import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch_layer.preparation import kernel, ordering
from batch_layer.preparation.covers import Column
from batch_layer.preparation.kernel import Askers, Events, windowed
from batch_layer.preparation.no_future import other_future
from lambda_core.errors import OverflowStateError
from lambda_core.features.aggregations import AGGREGATIONS, Moment, Number
from lambda_core.features.definition import Feature, FeatureGroup, Slot
from lambda_core.features.windows import ALL_MS, Window, floor_to
from tests.laws.kinds import kinds_over
from tests.laws.worlds import any_real, any_text, byte_rows

WINDOWS = (Window(7, 2), Window(40, 5), Window(300, 60), Window(ALL_MS, 60))
COLUMNS = {
    "whole": Number("integer"),
    "wide": Number("integer"),
    "money": Number("decimal", 2),
    "long": Number("decimal", 9),
    "real": Number("float"),
    "text": Number("string"),
}
DTYPES = {"integer": np.int64, "decimal": np.int64, "float": np.float64, "string": object}


def group_of_everything():
    slots = [Slot("count", None, AGGREGATIONS["count"]())]
    for column, number in COLUMNS.items():
        slots += [Slot(f"{column}_{name}", column, kind) for name, kind in kinds_over(number).items()]
    features = tuple(
        Feature(f"{slot.name}_{window.length_ms}", place, window, slot.aggregation)
        for place, slot in enumerate(slots)
        for window in WINDOWS
        if window.length_ms < ALL_MS or slot.aggregation.takes
    )
    return FeatureGroup("all", "source", "entity", ("entity",), tuple(slots), features)


GROUP = group_of_everything()


@st.composite
def histories(draw):
    """One dict an event, in any order: few moments and entities, so that ties and edges are common."""
    events = []
    for offset, (who, partition, known, order, *rest) in enumerate(draw(byte_rows(0, 30, width=8))):
        moment = int.from_bytes(rest[:2]) % 451 - 50
        time = floor_to(moment, 100) if rest[1] % 3 else moment
        event = {"entity": who % 3, "time": time, "offset": offset, "partition": partition % 3 - 1}
        events.append((order, event | {"known": time + known % 61} | values_of(int.from_bytes(rest[2:]))))
    return [event for _, event in sorted(events, key=lambda one: one[0])]


def values_of(seed):
    """One value a column, now and then none."""
    drawn = random.Random(seed)
    values = {
        "whole": drawn.randint(-50, 50),
        "wide": drawn.choice([0, 1, -(2**63) + 1, 2**63 - 1, drawn.randint(-(2**63) + 1, 2**63 - 1)]),
        "money": drawn.randint(-(10**6), 10**6),
        "long": drawn.choice([0, 10**18 - 1, drawn.randint(-(10**18) + 1, 10**18 - 1)]),
        "real": drawn.choice([0.0, 0.1, -1e-7, 1e6, 5e-324, any_real(drawn)]),
        "text": drawn.choice(["", "a", "z", any_text(drawn)]),
    }
    return {name: value if drawn.random() < 0.75 else None for name, value in values.items()}


PEOPLE = 4
"""So many entities are asked for; the last of them has no events."""
MOMENTS = st.sampled_from(range(-100, 501, 100)) | st.integers(-60, 500)
"""Many events happen at whole hundreds: so that somebody asks at the very moment of an event."""
ASKED = st.lists(st.tuples(st.integers(0, PEOPLE - 1), MOMENTS), min_size=1, max_size=6)


def history(events, *, by_append):
    """The events as the kernel takes them."""
    columns = {}
    for name, number in COLUMNS.items():
        present = np.array([event[name] is not None for event in events], dtype=bool)
        filler = "" if number.name == "string" else 7
        values = np.empty(len(events), dtype=DTYPES[number.name])
        values[:] = [filler if event[name] is None else event[name] for event in events]
        columns[f"`{name}`"] = Column(values, present)
    keys = {
        name: np.array([event[key] for event in events], np.int64)
        for name, key in (
            ("entity", "entity"),
            ("event_time_ms", "time"),
            ("partition", "partition"),
            ("offset", "offset"),
        )
    }
    known = np.array([event["known"] for event in events], np.int64) if by_append else None
    return Events(**keys, columns=columns, known_ms=known)


def rows(events, asked, *, by_append):
    """The kernel's answer: one dict an asker."""
    askers = Askers(*(np.array(part, np.int64) for part in zip(*asked, strict=True)))
    found = windowed(GROUP, history(events, by_append=by_append), askers)
    return [
        {name: column.values[place] if column.present[place] else None for name, column in found.items()}
        for place in range(len(asked))
    ]


def seen(event, entity, t_ms, *, by_append):
    known = not by_append or event["known"] <= t_ms
    return event["entity"] == entity and event["time"] < t_ms and known


def expected(events, entity, t_ms, *, by_append):
    """The stupid answer: (value, sum of magnitudes) of each feature, event by event."""
    answer = {}
    for feature in GROUP.features:
        slot = GROUP.slots[feature.slot]
        state, magnitude = slot.aggregation.zero(), 0.0
        for event in events:
            if seen(event, entity, t_ms, by_append=by_append) and feature.window.covers(event["time"], t_ms):
                value = 1 if slot.column is None else event[slot.column]
                state = slot.aggregation.update(
                    state, value, Moment(event["time"], event["partition"], event["offset"])
                )
                if value is not None and slot.aggregation.number.name != "string":
                    magnitude += abs(value) / 10**slot.aggregation.number.scale
        try:
            answer[feature.name] = (slot.aggregation.finish(state, t_ms), magnitude)
        except OverflowStateError:
            answer[feature.name] = (None, magnitude)
    return answer


def assert_equal(row, answer):
    assert list(row) == list(answer)
    for name, (value, magnitude) in answer.items():
        found = row[name]
        if value is not None and (name.startswith(("real_sum", "real_mean", "real_stddev")) or "decayed" in name):
            assert found is not None, name
            assert math.isclose(found, value, abs_tol=1e-9 * max(magnitude, 1e-300)), (name, found, value)
        elif name.startswith("real_variance") and value is not None:
            assert math.isclose(found, value, abs_tol=1e-9 * max(magnitude, 1.0) ** 2), (name, found, value)
        else:
            assert found == value, (name, found, value)


@pytest.mark.parametrize("by_append", [False, True])
@settings(max_examples=60, deadline=None)
@given(events=histories(), asked=ASKED)
def test_a_row_equals_the_aggregations_over_exactly_the_events_before_t_known_by_then(events, asked, by_append):
    found = rows(events, asked, by_append=by_append)

    for row, (entity, t_ms) in zip(found, asked, strict=True):
        assert_equal(row, expected(events, entity, t_ms, by_append=by_append))


@settings(max_examples=30, deadline=None)
@given(events=histories(), asked=ASKED)
def test_entities_and_moments_too_many_for_64_bits_change_no_row(events, asked):
    found = rows(events, asked, by_append=False)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernel, "_WIDEST", 0)
        patch.setattr(ordering, "_UINT16", 0)
        assert rows(events, asked, by_append=False) == found


def test_an_answer_is_there_until_it_is_older_than_its_expiry():
    event = {"entity": 0, "time": 100, "offset": 0, "partition": 0, "known": 100, **values_of(0)}
    event |= {"whole": 3, "real": 0.5, "text": "a"}
    asked = [(0, 100 + age) for age in (1, 2, 3)]
    for row, (entity, t_ms) in zip(rows([event], asked, by_append=False), asked, strict=True):
        assert_equal(row, expected([event], entity, t_ms, by_append=False))


@pytest.mark.parametrize("by_append", [False, True])
@settings(max_examples=30, deadline=None)
@given(events=histories(), others=histories(), asked=ASKED)
def test_changing_whatever_was_not_yet_or_not_known_changes_nothing(events, others, asked, by_append):
    # Every asker has a future of its own, so entities of its own: all of them are answered by one call.
    apart = [(entity + PEOPLE * place, t_ms) for place, (entity, t_ms) in enumerate(asked)]
    pasts, futures = [], []
    for place, (entity, t_ms) in enumerate(asked):
        pasts.append([event for event in events if seen(event, entity, t_ms, by_append=by_append)])
        future = [event for event in others if not seen(event, entity, t_ms, by_append=by_append)]
        futures += moved(pasts[-1] + future, PEOPLE * place)

    before = rows(events, asked, by_append=by_append)
    after = rows(futures, apart, by_append=by_append)
    for past, was, now in zip(pasts, before, after, strict=True):
        magnitude = {name: sum(abs(event[name] or 0) for event in past) for name in COLUMNS if name != "text"}
        assert_equal(now, {name: (value, magnitude.get(name.split("_")[0], 0.0)) for name, value in was.items()})


def moved(events, by):
    return [event | {"entity": event["entity"] + by} for event in events]


@pytest.mark.parametrize("by_append", [False, True])
@settings(max_examples=50, deadline=None)
@given(events=histories(), t_ms=st.integers(-60, 500))
def test_the_check_for_real_tables_changes_all_of_the_future_and_nothing_else(events, t_ms, by_append):
    before = history(events, by_append=by_append)
    after = other_future(before, t_ms)
    past = np.array([seen(event, event["entity"], t_ms, by_append=by_append) for event in events], dtype=bool)
    still_unknown = before.known_ms > t_ms if by_append else np.zeros(len(events), dtype=bool)

    assert np.array_equal(before.event_time_ms[past], after.event_time_ms[past])
    assert np.all((after.event_time_ms[~past] >= t_ms) | still_unknown[~past])
    for name in before.columns:
        assert list(before.columns[name].values[past]) == list(after.columns[name].values[past])
        assert list(before.columns[name].present[past]) == list(after.columns[name].present[past])
    values = after.columns["`text`"].values[~past]
    assert all(value == "another" for value in values)
