"""Law 6 for what is made of a vector: rows of a training table and an answer by itself have the same bits.

Both are held to a stupid oracle besides: plain Python, one number at a time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from batch_layer.preparation.finishing import widened
from lambda_core.config.transform import Transform
from lambda_core.features.transformations import STRATEGIES, Column
from lambda_core.features.transformations.compiling import compile_series
from tests.laws.profiles import examples

INT64 = 2**63
READ = {"a": "integer", "b": "integer", "x": "float", "y": "float"}
ARROW = {"integer": pa.int64(), "float": pa.float64()}
WHOLE = (
    st.none() | st.integers(-9, 9) | st.integers(-INT64, INT64 - 1) | st.sampled_from([0, -INT64, INT64 - 1, 2**53 + 1])
)
REAL = (
    st.none()
    | st.integers(-3, 3).map(float)
    | st.floats()
    | st.sampled_from([0.0, -0.0, 0.1, 1e308, -1e308, 5e-324, math.nan, -math.inf])
)
FINITE = st.floats(-1e6, 1e6) | st.integers(-20, 20)


@dataclass
class World:
    steps: list[dict[str, Any]]
    rows: list[dict[str, int | float | None]]


def parameters(draw, strategy: str, kinds: list[str]) -> dict[str, Any]:
    """Parameters that fit values of these types."""
    own = st.integers(-20, 20) if "integer" in kinds else FINITE
    if strategy == "clip":
        low, high = sorted([draw(own), draw(own)])
        return draw(st.sampled_from([{"low": low}, {"high": high}, {"low": low, "high": high}]))
    if strategy == "bins":
        return {"edges": sorted({float(edge) for edge in draw(st.lists(FINITE, min_size=1, max_size=5))})}
    if strategy == "cyclic":
        return {"period": draw(st.sampled_from([24, 7, 0.1, 365.25, 1e-3, 1e9]))}
    return {"value": draw(own)} if strategy == "fill" else {}


@st.composite
def worlds(draw) -> World:
    """A random series of steps, and random vectors of two integers and two doubles."""
    kinds, steps = dict(READ), []
    for place in range(draw(st.integers(1, 6))):
        strategy = draw(st.sampled_from(sorted(STRATEGIES)))
        kind = STRATEGIES[strategy]
        of = [draw(st.sampled_from(sorted(kinds))) for _ in range(kind.takes)]
        settings = parameters(draw, strategy, [kinds[name] for name in of])
        steps.append({"name": f"s{place}", "strategy": strategy, "of": of, "parameters": settings})
        kinds |= {name: made for name, _, made in results(steps[-1], kinds)}
    row = st.fixed_dictionaries({name: WHOLE if kind == "integer" else REAL for name, kind in READ.items()})
    return World(steps, draw(st.lists(row, min_size=1, max_size=12)))


def results(step: dict[str, Any], kinds: dict[str, str]) -> list[tuple[str, str, str]]:
    """Name, ending and type of what a step makes, as the documentation says."""
    of = {kinds[name] for name in step["of"]}
    whole = step["strategy"] in ("bins", "missing") or (
        step["strategy"] in ("difference", "clip", "fill") and of == {"integer"}
    )
    endings = ("_sin", "_cos") if step["strategy"] == "cyclic" else ("",)
    return [(step["name"] + ending, ending, "integer" if whole else "float") for ending in endings]


def plain(value: float | None, kind: str) -> float | None:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return None
    if kind == "integer":
        return value if -INT64 <= value < INT64 else None
    return float(value) + 0.0


def formula(step: dict[str, Any], ending: str, numbers: list[float | None]) -> float | None:
    """One strategy over one vector's numbers."""
    strategy, said = step["strategy"], step["parameters"]
    if strategy == "missing":
        return int(numbers[0] is None)
    if strategy == "fill":
        return said["value"] if numbers[0] is None else numbers[0]
    return None if None in numbers else FORMULAS[strategy](said, ending, *numbers)


FORMULAS = {
    "difference": lambda said, ending, first, second: first - second,
    "ratio": lambda said, ending, first, second: float(first) / float(second) if second != 0 else None,
    "logarithm": lambda said, ending, number: math.copysign(math.log1p(abs(float(number))), number),
    "clip": lambda said, ending, number: min(max(number, said.get("low", -math.inf)), said.get("high", math.inf)),
    "bins": lambda said, ending, number: sum(edge <= float(number) for edge in said["edges"]),
    "cyclic": lambda said, ending, number: (math.sin if ending == "_sin" else math.cos)(
        math.tau * (math.fmod(number, said["period"]) / said["period"])
    ),
}


def oracle(world: World, row: dict[str, float | None]) -> dict[str, float | None]:
    kinds, known = dict(READ), {name: plain(row[name], kind) for name, kind in READ.items()}
    made = {}
    for step in world.steps:
        numbers = [known[name] for name in step["of"]]
        if "float" in {kinds[name] for name in step["of"]}:
            numbers = [None if number is None else float(number) for number in numbers]
        for name, ending, kind in results(step, kinds):
            kinds[name], known[name] = kind, plain(formula(step, ending, numbers), kind)
            made[name] = known[name]
    return made


def series_of(world: World):
    return compile_series("transform", [Transform.model_validate(step) for step in world.steps], READ, {})


def together(world: World) -> list[dict[str, Any]]:
    """The rows as a training table has them."""
    columns = {name: pa.array([row[name] for row in world.rows], ARROW[kind]) for name, kind in READ.items()}
    found = widened(pa.table(columns), series_of(world))
    assert found.column_names[: len(READ)] == [*READ]
    assert all(found.column(name).equals(pa.chunked_array([columns[name]])) for name in READ if name in "ab")
    return found.select(found.column_names[len(READ) :]).to_pylist()


def bits(row: dict[str, Any]) -> dict[str, str]:
    """What tells 1 from 1.0, 0.0 from -0.0 and each double from its neighbours."""
    return {name: repr(value) for name, value in row.items()}


@examples(300)
@given(worlds())
def test_a_vector_among_many_and_by_itself_is_the_same_to_the_last_bit_and_what_the_formula_says(world: World):
    series = series_of(world)
    alone = [bits(series.of_vector(row)) for row in world.rows]

    assert [bits(row) for row in together(world)] == alone
    assert [bits(oracle(world, row)) for row in world.rows] == alone


@examples(30)
@given(worlds(), st.randoms())
def test_what_a_vector_gets_depends_on_no_other(world: World, random):
    places = list(range(len(world.rows))) * 3
    random.shuffle(places)
    other = World(world.steps, [world.rows[place] for place in places])

    rows = together(world)
    assert [bits(row) for row in together(other)] == [bits(rows[place]) for place in places]


@examples(30)
@given(worlds())
def test_nothing_that_is_there_is_changed(world: World):
    columns = {name: Column.of([row[name] for row in world.rows], kind) for name, kind in READ.items()}
    for column in columns.values():
        column.values.setflags(write=False)  # who writes all the same raises
        column.present.setflags(write=False)

    made = series_of(world).of_columns(columns)

    assert not set(made) & set(READ)


def test_every_strategy_is_drawn():
    """So that a new one is not left out of the laws: its formula has to stand in the oracle."""
    assert set(STRATEGIES) == {*FORMULAS, "fill", "missing"}
