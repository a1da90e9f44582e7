"""Law 2: states, not values. Any tree of merges over the same events gives the same state."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_core.features.aggregations import Aggregation, Moment, Number, State
from tests.laws.kinds import adds_floats, kinds_over
from tests.laws.oracle import Ask, Event, magnitude, of_events
from tests.laws.profiles import examples
from tests.laws.worlds import byte_rows, component, settings_of, values_of

NUMBERS = {
    "whole": Number("integer"),
    "money": Number("decimal", 2),
    "real": Number("float"),
    "word": Number("string"),
}
KINDS = [
    pytest.param(aggregation, column, id=f"{name} of {number.name}")
    for column, number in NUMBERS.items()
    for name, aggregation in kinds_over(number).items()
]
T_MS = 6


@st.composite
def batches(draw):
    """Events as (moment, values); a moment is its event's own: two never share time and position."""
    events = {}
    for time, partition, offset, *seed in draw(byte_rows(0, 12, width=5)):
        events.setdefault(Moment(time % 6, partition % 3, offset % 51), values_of(int.from_bytes(seed)))
    return list(events.items())


def states_of(aggregation: Aggregation, column: str, batch: list) -> list[State]:
    return [aggregation.update(None, component(each[column]), moment) for moment, each in batch]


def any_tree(aggregation: Aggregation, states: list[State], drawn: random.Random) -> State:
    states = [aggregation.zero(), *states]
    while len(states) > 1:
        left = states.pop(drawn.randrange(len(states)))
        right = states.pop(drawn.randrange(len(states)))
        merged = aggregation.merge(left, right)
        # A state may travel as text at any point of its way.
        states.append(aggregation.decode(aggregation.encode(merged)) if drawn.random() < 0.5 else merged)
    return states[0]


def close(left: list[str], right: list[str], size: float) -> bool:
    return all(abs(float(a or 0) - float(b or 0)) <= 1e-9 * size for a, b in zip(left, right, strict=True))


@pytest.mark.parametrize(("aggregation", "column"), KINDS)
@examples(25)
@given(batch=batches(), seed=st.integers(0, 2**32))
def test_any_order_and_any_tree_of_merges_give_the_same_state(aggregation, column, batch, seed):
    drawn = random.Random(seed)
    states = states_of(aggregation, column, batch)
    straight = aggregation.encode(any_tree(aggregation, states, random.Random(0)))
    drawn.shuffle(states)
    other = aggregation.encode(any_tree(aggregation, states, drawn))
    if adds_floats(aggregation):
        size = sum(abs(each[column]) + each[column] ** 2 for _, each in batch if each[column] is not None)
        assert close(straight, other, size)
    else:
        assert straight == other


@pytest.mark.parametrize(("aggregation", "column"), KINDS)
@examples(25)
@given(batch=batches())
def test_the_state_of_no_event_is_neutral(aggregation, column, batch):
    state = any_tree(aggregation, states_of(aggregation, column, batch), random.Random(0))
    assert aggregation.merge(state, aggregation.zero()) == state == aggregation.merge(aggregation.zero(), state)


@pytest.mark.parametrize(("aggregation", "column"), KINDS)
@examples(25)
@given(batch=batches(), seed=st.integers(0, 2**32))
def test_the_answer_of_a_state_is_the_formula_over_its_events(aggregation, column, batch, seed):
    events = [Event(moment.partition, moment.offset, 0, moment.event_time_ms, values=each) for moment, each in batch]
    ask = Ask(aggregation.name, column, 1, 1, settings_of(aggregation))
    state = any_tree(aggregation, states_of(aggregation, column, batch), random.Random(seed))
    answer, expected = aggregation.finish(state, T_MS), of_events(ask, events, T_MS)
    if adds_floats(aggregation) or aggregation.name == "quantiles":
        assert (answer is None) == (expected is None)
        assert expected is None or abs(answer - expected) <= 1e-9 * magnitude(ask, events, T_MS)
    else:
        assert answer == expected


@pytest.mark.parametrize(("aggregation", "column"), KINDS)
@examples(25)
@given(batch=batches())
def test_a_state_comes_back_from_its_text_and_its_text_has_one_form(aggregation, column, batch):
    texts = aggregation.encode(any_tree(aggregation, states_of(aggregation, column, batch), random.Random(0)))
    assert len(texts) == len(aggregation.components)
    assert aggregation.encode(aggregation.decode(texts)) == texts
    assert not any(text == "-0" for code, text in zip(aggregation.components, texts, strict=True) if code != "s")
