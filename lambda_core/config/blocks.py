"""A block of features as declared: what of which events, by which aggregations, over which windows.

A setting stands in a block only where one of its aggregations takes it (`Aggregation.takes`), and has to where one needs
it. What an aggregation means, with its nulls, ties and edges, is said by its class in `features.aggregations`.
"""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from lambda_core.config.section import Milliseconds, Name, Section, parsed_by
from lambda_core.features.aggregations import AGGREGATIONS, Aggregation, Number
from lambda_core.features.windows import ALL_MS, Window, parse_window

AggregationName = Literal[
    "count",
    "sum",
    "mean",
    "variance",
    "stddev",
    "min",
    "max",
    "first",
    "latest",
    "last_n",
    "share",
    "histogram",
    "shares",
    "quantiles",
    "distinct",
    "decayed_sum",
]
WindowLength = Annotated[int, parsed_by(parse_window), Field(gt=0, le=ALL_MS)]
"""A duration, or `all`: everything since the first event."""

_WITHOUT_COLUMN = ("count", "share")
_SHORTEST = {"bins": 2, "categories": 1, "quantiles": 1}


class WindowedAggregations(Section):
    """A block of features: every aggregation over every window of one column.

    Attributes:
        name: first part of the features' names, after the group's; needed with `where` and `condition`.
        column: the source column; None only for `count` and `share`.
        where: Spark SQL over the source's columns; events for which it is not true are not seen.
        aggregations: what is worked out.
        condition: Spark SQL over the source's columns, whose share is asked for (`share`).
        bins: ascending edges of a histogram's bins, in the column's unit; or its `categories`, the values themselves.
        quantiles: which quantiles of the histogram, 0 to 1 (`quantiles`).
        precision: two to its power is the number of registers that count distinct values; 10 if not declared.
        half_life: after how long a value counts half (`decayed_sum`).
        last: how many of the last values are answered, 1 to 32 (`last_n`).
        expiry: how long after its event a value is still an answer (`latest`, `last_n`, `decayed_sum`).
        windows: lengths, or `all` for everything since the first event, which is also the default.
        hop: the step of the windows' left edges; by default it follows from each length.
    """

    name: Name | None = None
    column: Name | None = None
    where: str | None = None
    aggregations: tuple[AggregationName, ...] = Field(min_length=1)
    condition: str | None = None
    bins: tuple[Annotated[float, Field(allow_inf_nan=False)], ...] | None = None
    categories: tuple[int | str, ...] | None = None
    quantiles: tuple[Annotated[float, Field(ge=0, le=1)], ...] | None = None
    precision: int | None = Field(default=None, ge=4, le=12)
    half_life_ms: Milliseconds | None = Field(default=None, alias="half_life", gt=0)
    last: int | None = Field(default=None, ge=1, le=32)
    expiry_ms: Milliseconds | None = Field(default=None, alias="expiry", ge=0)
    windows: tuple[WindowLength, ...] = Field(default=(ALL_MS,), min_length=1)
    hop_ms: Milliseconds | None = Field(default=None, alias="hop", gt=0)
    unit: str | None = None
    description: str = ""

    @model_validator(mode="after")
    def _settings_fit_aggregations(self) -> "WindowedAggregations":
        for sentence in (*self._about_columns(), *self._about_settings(), *self._about_cells()):
            raise ValueError(sentence)
        return self

    def _about_columns(self) -> Iterator[str]:
        if self.column is None and not set(self.aggregations) <= set(_WITHOUT_COLUMN):
            yield "expected `column`: only `count` and `share` work without one"
        if self.column is not None and "share" in self.aggregations:
            yield "expected no `column` with `share`: its `condition` says what is looked at"
        if self.name is None and (self.where is not None or self.condition is not None):
            yield "expected `name`: what a `where` or a `condition` chooses needs one in the features' names"

    def _about_settings(self) -> Iterator[str]:
        kinds = [AGGREGATIONS[name] for name in self.aggregations]
        for setting in sorted({setting for kind in AGGREGATIONS.values() for setting in kind.takes}):
            shown = setting.removesuffix("_ms")
            given = getattr(self, setting) is not None
            if given and not any(setting in kind.takes for kind in kinds):
                takers = ", ".join(name for name, kind in AGGREGATIONS.items() if setting in kind.takes)
                yield f"expected `{shown}` only with {takers}; found it with {', '.join(self.aggregations)}"
            for kind in kinds:
                if setting in kind.needs and not given:
                    yield f"expected `{shown}`, which {kind.name} needs"
                if setting == "expiry_ms" and given and setting not in kind.takes:
                    yield f"expected no `expiry` with {kind.name}, which does not know when its events happened: use a window"

    def _about_cells(self) -> Iterator[str]:
        either = any("categories" in AGGREGATIONS[name].takes for name in self.aggregations)
        if either and (self.bins is None) == (self.categories is None):
            yield "expected either `bins` or `categories`"
        for setting, least in _SHORTEST.items():
            given = getattr(self, setting)
            if given is not None and (len(given) < least or len(set(given)) < len(given)):
                yield f"expected {least} values or more in `{setting}`, each once; found {list(given)}"
        if self.bins is not None and list(self.bins) != sorted(self.bins):
            yield f"expected the edges of `bins` to ascend; found {list(self.bins)}"

    def window_list(self) -> list[Window]:
        """Return the windows in order of declaration."""
        return [Window.of(length, self.hop_ms) for length in self.windows]

    def answers(self, aggregation: str, number: Number) -> list[tuple[str, Aggregation]]:
        """Return the answers of one of the block's aggregations over values of this type, by their names."""
        kind = AGGREGATIONS[aggregation]
        given: dict[str, Any] = {name: getattr(self, name) for name in kind.takes if getattr(self, name) is not None}
        return kind.made(number, given)

    @property
    def expressions(self) -> dict[str, str]:
        """Return the block's Spark SQL conditions by the setting that they stand in."""
        given = {"where": self.where, "condition": self.condition}
        return {setting: text for setting, text in given.items() if text is not None}

    @property
    def gives_lists(self) -> list[str]:
        """Return those of the aggregations whose answers are lists."""
        return [name for name in self.aggregations if AGGREGATIONS[name].gives_list]
