"""From the steps that a feature set declares to a series: what each is given, what it makes, and all that is wrong.

Every mistake is told, each with its place; a step that is wrong keeps those that build on it from being told as well.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from lambda_core.errors import ConfigError
from lambda_core.features.transformations import STRATEGIES
from lambda_core.features.transformations.series import Series, Step
from lambda_core.features.transformations.strategy import Column, Transformation
from lambda_core.nearest import nearest
from lambda_core.strategies import build, code_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from lambda_core.config.transform import Transform
    from lambda_core.features.transformations.strategy import Kind

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_WRONG = "wrong"
"""The type of what a step would have made, had it not been wrong."""
_PROBES: dict[Kind, list[float | None]] = {
    "integer": [0, 5, None, -3, 2**40, 1, -(2**62)],
    "float": [0.0, 0.1, None, -7.25, 1e300, 3.0, -1e-300],
}


def compile_series(
    path: str, declared: Sequence[Transform], values: Mapping[str, str], taken: Mapping[str, str]
) -> Series:
    """Return the declared steps, ready to work.

    Args:
        path: of the list of steps in the settings; for errors.
        declared: the steps, in order.
        values: the vector before the first step: name -> `integer`, `float`, or what else it is.
        taken: names that are no values and still in use -> by what.

    Raises:
        ConfigError: with one line a mistake.
    """
    compiler = _Compiler(path, declared, values, taken)
    mistakes = [sentence for place in range(len(declared)) for sentence in compiler.add(place)]
    if mistakes:
        raise ConfigError("\n".join(mistakes))
    made = {name for step in compiler.steps for name in step.kinds}
    read = dict.fromkeys(name for step in compiler.steps for name in step.of if name not in made)
    return Series(tuple(compiler.steps), {name: compiler.known[name] for name in read})  # type: ignore[misc]


class _Compiler:
    """The steps so far, and what the vector has by then: name -> type."""

    def __init__(
        self, path: str, declared: Sequence[Transform], values: Mapping[str, str], taken: Mapping[str, str]
    ) -> None:
        self.steps: list[Step] = []
        self.known = dict(values)
        self._path, self._declared = path, declared
        self._taken = {**dict.fromkeys(values, "which the vector has already"), **taken}

    def add(self, place: int) -> list[str]:
        """Add a step; return what is wrong with it."""
        declared, path = self._declared[place], f"{self._path}[{place}]"
        mistakes = list(self._about_inputs(declared, path, place))
        strategy: Transformation | type[Transformation] = STRATEGIES.get(declared.strategy, Transformation)
        try:
            strategy = _made(declared, path)
        except ConfigError as error:
            mistakes.append(str(error))
        if isinstance(strategy, Transformation) and len(declared.of) != strategy.takes:
            mistakes.append(f"{path}.of: expected {strategy.takes} for {declared.strategy}, found {len(declared.of)}")
        names = [declared.name + ending for ending in strategy.endings]
        mistakes += self._about_names(names, path)
        kinds: Mapping[str, str] = {}
        if isinstance(strategy, Transformation) and not mistakes and _WRONG not in map(self.known.get, declared.of):
            try:
                self.steps.append(self._step(declared, strategy, path))
                kinds = self.steps[-1].kinds
            except ConfigError as error:
                mistakes.append(str(error))
        self._taken |= {name: f"which {path} makes already" for name in names if name not in self._taken}
        self.known |= {name: kinds.get(name, _WRONG) for name in names if name not in self.known}
        return mistakes

    def _about_inputs(self, declared: Transform, path: str, place: int) -> Iterator[str]:
        later = {step.name: f"{self._path}[{number}]" for number, step in enumerate(self._declared) if number >= place}
        for number, name in enumerate(declared.of):
            where = f"{path}.of[{number}]"
            if name in self.known:
                if self.known[name] not in ("integer", "float", _WRONG):
                    yield f"{where}: expected a number, found {name!r}, {self.known[name]}"
            elif name in later:
                yield f"{where}: expected a value from before this step, found {name!r}, which {later[name]} makes"
            else:
                expected = ", ".join(sorted(self.known)) or "a value, and the vector has none"
                yield f"{where}: expected one of {expected}; found {name!r}{nearest(name, self.known)}"

    def _about_names(self, names: Sequence[str], path: str) -> Iterator[str]:
        for name in names:
            if name in self._taken:
                yield f"{path}.name: expected a name of its own, found {name!r}, {self._taken[name]}"
            elif not _NAME.fullmatch(name):
                yield f"{path}.name: expected lower-case letters, digits and _ in a result's name, found {name!r}"

    def _step(self, declared: Transform, strategy: Transformation, path: str) -> Step:
        given: list[Kind] = [self.known[name] for name in declared.of]  # type: ignore[misc]
        try:
            return _tried(declared, strategy, given, path)
        except ConfigError as error:
            raise _placed(path, error) from error
        except Exception as error:  # a class of one's own may raise anything
            raise ConfigError(
                f"{path}.strategy: expected {type(strategy).__name__} to work on {', '.join(given)}, "
                f"found {type(error).__name__}: {error}"
            ) from error


def _tried(declared: Transform, strategy: Transformation, given: Sequence[Kind], path: str) -> Step:
    """Return the step; one's own strategy has worked on a few vectors by then."""
    kinds = strategy.kinds(given)
    names = [declared.name + ending for ending in strategy.endings]
    if len(kinds) != len(names) or not set(kinds) <= set(_PROBES):
        raise ConfigError(
            f"{path}.strategy: expected the `kinds` of {type(strategy).__name__} to be {' or '.join(_PROBES)}, one a result "
            f"({', '.join(names)}); found {kinds}"
        )
    results = dict(zip(names, kinds, strict=True))
    if declared.strategy in STRATEGIES:
        return Step(strategy, declared.of, results)
    step = Step(strategy, declared.of, results, code_of(strategy, path))
    _refuse_other_rows(step, given, path)
    return step


def _made(declared: Transform, path: str) -> Transformation:
    try:
        made = build(STRATEGIES, declared, path)
    except ConfigError as error:
        raise _placed(path, error) from error
    if not isinstance(made, Transformation):
        raise ConfigError(
            f"{path}.strategy: expected a class derived from lambda_core.features.transformations.Transformation, "
            f"found {declared.strategy}"
        )
    return made


def _placed(path: str, error: ConfigError) -> ConfigError:
    """Return the error with its place before it: of what strategies say, the parameters are below the step."""
    text = str(error)
    return ConfigError(
        text if text.startswith(path) else f"{path}.{text}" if text.startswith("parameters") else f"{path}: {text}"
    )


def _refuse_other_rows(step: Step, kinds: Sequence[Kind], path: str) -> None:
    """Refuse one's own strategy that gives a vector something else beside others than alone, on a few numbers.

    Raises:
        ConfigError: as its training rows would not be what its answers are.
    """
    turned = [_PROBES[kind][turn:] + _PROBES[kind][:turn] for turn, kind in enumerate(kinds)]
    rows = list(zip(*turned, strict=True))
    with np.errstate(all="ignore"):
        together = _bits(step, rows, kinds, path)
        alone = [_bits(step, [row], kinds, path)[0] for row in rows]
    if together != alone:
        row = next(row for row, left, right in zip(rows, together, alone, strict=True) if left != right)
        raise ConfigError(
            f"{path}.strategy: expected {type(step.strategy).__name__} to look at each vector by itself, found that "
            f"{row} gives something else beside other vectors than alone"
        )


def _bits(
    step: Step, rows: Sequence[Sequence[float | None]], kinds: Sequence[Kind], path: str
) -> list[tuple[str, ...]]:
    """Return each row's results to the last bit."""
    given = [Column.of(values, kind) for values, kind in zip(zip(*rows, strict=True), kinds, strict=True)]
    found = step.strategy.apply(given)
    wanted = [("i" if kind == "integer" else "f", len(rows)) for kind in step.kinds.values()]
    if [(one.values.dtype.kind, len(one.values)) for one in found] != wanted:
        raise ConfigError(
            f"{path}.strategy: expected {type(step.strategy).__name__} to give one column a result, of the types that it "
            f"says and as long as what it is given; found {[(str(one.values.dtype), len(one.values)) for one in found]}"
        )
    made = step.apply(given).values()
    rows_of = [(np.where(one.present, one.values, 0).tolist(), one.present.tolist()) for one in made]
    return list(zip(*(map(repr, zip(*one, strict=True)) for one in rows_of), strict=True))
