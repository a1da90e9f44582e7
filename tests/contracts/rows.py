"""What both contract tests draw: events with numbers at the edges of their types, in times as they really are."""

from fractions import Fraction

from hypothesis import strategies as st

from lambda_core.cleaning.conversions import GREATEST_FLOAT
from lambda_core.features.windows import DAY_MS, HOUR_MS
from tests.laws.oracle import Event
from tests.laws.worlds import PERIOD_MS, PLAIN, definition

START_MS = 1_700_000_000_000
WINDOWS = [(HOUR_MS, 300_000), (DAY_MS, HOUR_MS), (30 * DAY_MS, DAY_MS)]
EPOCH = "d.0"


def declared(ring: int = 3, blocks=tuple(PLAIN), windows=tuple(WINDOWS)):
    return definition(ring, windows, blocks)


wholes = st.one_of(
    st.integers(-5, 5),
    st.integers(-(2**63), 2**63 - 1),
    st.sampled_from([2**63 - 1, -(2**63), 2**53, 2**53 + 1, -(2**53) - 1, 10**13, 10**15, -(10**12), 0]),
    st.none(),
)
monies = st.one_of(
    st.integers(-(10**16), 10**16), st.sampled_from([10**18 - 1, -(10**18) + 1, 0, 1]), st.integers(-300, 300)
).map(lambda cents: Fraction(cents, 100))
reals = st.one_of(
    st.sampled_from([0.0, -0.0, 0.1, 0.2, -0.3, 1e-300, 5e-324, 1e16, 1e21, -1e-5, 123456789.123]),
    st.floats(-1e9, 1e9),
    st.floats(-GREATEST_FLOAT, GREATEST_FLOAT),
    st.none(),
)
words = st.one_of(
    st.sampled_from(["", "!", "a|b", "}x", "-0", "1e5", "é\N{SNOWMAN}\N{GRINNING FACE}", '"\\\n\t', "x" * 300]),
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=5),
    st.none(),
)
values = st.fixed_dictionaries({"whole": wholes, "money": monies | st.none(), "real": reals, "word": words})
times = st.one_of(
    st.integers(START_MS - 40 * DAY_MS, START_MS + DAY_MS),
    st.integers(START_MS, START_MS + 3),
    st.sampled_from([0, START_MS // DAY_MS * DAY_MS, START_MS // HOUR_MS * HOUR_MS - 1]),
)


@st.composite
def batches(draw: st.DrawFn, *, size: int = 14) -> list[Event]:
    """Events of one entity in the order of delivery: two partitions, replays, copies, two periods."""
    offsets = {0: -1, 1: -1}
    events: list[Event] = []
    for _ in range(draw(st.integers(0, size))):
        if events and draw(st.integers(0, 3)) == 0:
            events.append(draw(st.sampled_from(events)))
            continue
        partition = draw(st.integers(0, 1))
        offsets[partition] += draw(st.sampled_from([1, 2, 10**12]))
        append = START_MS // PERIOD_MS * PERIOD_MS + draw(st.integers(0, PERIOD_MS + 5))
        unique = draw(st.sampled_from([None, "a", "b\N{SNOWMAN}"]))
        events.append(Event(partition, offsets[partition], append, draw(times), "e", draw(values), unique))
    return events
