"""What a project says of its sources: schema, event time, known-by, unique key, bounds, repairs, expectations."""

import datetime as dt
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from lambda_core.config.condition import ConditionSection
from lambda_core.config.origins import COMMA, DeltaTable, Files, Jdbc, Ranges, Repository
from lambda_core.config.repairs import Convert, wrong_convert
from lambda_core.config.section import Milliseconds, Name, Section
from lambda_core.features.aggregations import Number
from lambda_core.features.windows import HOUR_MS, MINUTE_MS
from lambda_core.schemas.tables import RESERVED_COLUMNS

_NUMBERS = ("integer", "decimal", "float")
_VALUES: dict[str, Any] = {
    "integer": int,
    "decimal": (int, float),
    "float": (int, float),
    "string": str,
    "boolean": bool,
}
"""Type of a column -> that of the values in its repairs."""


def _moment(given: Any) -> Any:
    """Return a moment as text; YAML makes a date of one that stands there without quotes."""
    text = given.isoformat() if isinstance(given, dt.date) else given
    try:
        dt.datetime.fromisoformat(text)
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"expected a date or time such as '2024-05-31' or '2024-05-31T12:00', found {given!r}"
        ) from error
    return text


Moment = Annotated[str, BeforeValidator(_moment)]
"""A moment of ISO 8601; in UTC where it says no zone."""


Bound = Annotated[float | None, Field(allow_inf_nan=False)]
"""The least or the greatest value, in a column's unit; None for no bound."""


class Column(Section):
    """One column of a source as its records carry it.

    Attributes:
        type: what the text of the record must be readable as; anything else is quarantined with its position.
        field: what the record calls it (a CSV header, a JSON key), where that is not the column's own name.
        scale: digits after the point of a decimal (0 to 9); further digits are rounded half up.
        required: whether a missing value is quarantined.
        min, max: bounds, included, in the column's unit; outside is quarantined.
        repair: Spark SQL for the value to use instead, over the record's columns as read. Or, in plain words instead, each
            on what the one before made of the value (see `cleaning.repairs`):
        map: values -> what they stand for; null for no value.
        convert: `{from: fahrenheit, to: celsius}`, or of a text `{from: dd/MM/yyyy, to: yyyy-MM-dd}`.
        clip: `[least, greatest]`: what lies beyond becomes the bound; null for no bound.
        fill: what stands in the place of a missing value.
    """

    type: Literal["integer", "decimal", "float", "string", "boolean"]
    field: str | None = None
    scale: int = Field(default=0, ge=0, le=9)
    required: bool = False
    min: Bound = None
    max: Bound = None
    unit: str | None = None
    description: str = ""
    repair: str | None = None
    map: dict[str | int | float, str | int | float | None] = {}
    convert: Convert | None = None
    clip: tuple[Bound, Bound] | None = None
    fill: bool | int | float | str | None = None

    @property
    def repairs(self) -> tuple[str, ...]:
        """Return the names of the repairs that the column declares, in the order in which they work."""
        declared = {"map": self.map, "convert": self.convert, "clip": self.clip, "repair": self.repair}
        named = [name for name, value in declared.items() if value]
        return (*named, *(["fill"] if self.fill is not None else []))

    @property
    def number(self) -> Number:
        """Return the type that aggregations over this column work with."""
        if self.type == "boolean":
            return Number("integer")
        return Number(self.type, self.scale if self.type == "decimal" else 0)

    @property
    def bounds(self) -> tuple[float | None, float | None]:
        """Return the least and the greatest value that a record can have once it is repaired and accepted; None: no bound.

        `fill` stands where nothing was to be clipped, so it may lie beyond `clip`; `min` and `max` hold for all.

        Example:
            >>> Column(type="integer", clip=(0, 60), min=5, fill=99).bounds
            (5.0, 99.0)
        """
        low, high = self.clip or (None, None)
        if isinstance(self.fill, int | float):
            low = None if low is None else min(low, float(self.fill))
            high = None if high is None else max(high, float(self.fill))
        lows, highs = ([end for end in ends if end is not None] for ends in ((low, self.min), (high, self.max)))
        return max(lows, default=None), min(highs, default=None)

    @model_validator(mode="after")
    def _has_bounds_of_its_type(self) -> "Column":
        for name, bound in (("min", self.min), ("max", self.max)):
            if bound is not None and self.type not in _NUMBERS:
                raise ValueError(f"expected `{name}` of a number, found it of type {self.type}; say it in `row_rules`")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"expected `min` to be at most `max`, found {self.min} and {self.max}")
        return self

    @model_validator(mode="after")
    def _has_repairs_of_its_type(self) -> "Column":
        """Refuse repairs that cannot give a value of the column's type."""
        if self.repair is not None and len(self.repairs) > 1:
            raise ValueError(
                f"expected `repair` or plain words, found both: {', '.join(self.repairs)}; say all of it in `repair`"
            )
        wanted = _VALUES.get(self.type)
        if self.repairs and self.repair is None and wanted is None:
            raise ValueError(f"expected `repair`, which a {self.type} can have, found {', '.join(self.repairs)}")
        if self.map and self.type == "boolean":
            raise ValueError("expected `map` of a text or a number, found it of type boolean; say it in `repair`")
        given = [*self.map.values(), *self.map, self.fill]
        for value in given:
            if (
                wanted is not None
                and value is not None
                and (not isinstance(value, wanted) or isinstance(value, bool) != (wanted is bool))
            ):
                raise ValueError(f"expected `map` and `fill` to have values of type {self.type}, found {value!r}")
        if self.clip is not None and self.type not in _NUMBERS:
            raise ValueError(f"expected `clip` of a number, found it of type {self.type}")
        if self.clip is not None and None not in self.clip and self.clip[0] > self.clip[1]:  # type: ignore[operator]
            raise ValueError(f"expected `clip: [least, greatest]`, found {list(self.clip)}")
        wrong = wrong_convert(self.convert, self.type) if self.convert else None
        if wrong or (self.convert and self.type == "boolean"):
            raise ValueError(wrong or "expected `convert` of a number or a text, found it of type boolean")
        return self


class Derived(Column):
    """A column worked out from the others of the same record, in the order of declaration."""

    type: Literal["integer", "decimal", "float", "string", "boolean", "timestamp"]  # type: ignore[assignment]
    expression: str


class Lookup(Section):
    """Columns of a reference source, joined by its unique key and pinned by content in the definition id.

    Attributes:
        source: the reference source.
        key: the column of this source that holds the reference's key.
        take: new column name -> column of the reference.
    """

    source: Name
    key: str
    take: dict[Name, str]


class RowRule(Section):
    """A condition on a single record; a record for which it is false is quarantined under this name (null passes)."""

    name: Name
    rule: str


class Expectation(Section):
    """One Great Expectations expectation over the prepared rows of a batch; a failure stops the publication.

    Attributes:
        expect: the name of the expectation in snake case, without the leading `expect_`.
        arguments: its keyword arguments, as Great Expectations names them.
    """

    expect: str
    arguments: dict[str, Any] = {}
    severity: Literal["fail", "warn"] = "fail"


ORIGINS = ("files", "delta", "jdbc", "repository")
"""Settings of a source that say where it is read from offline; its records are then on the batch side alone."""


class Source(Section):
    """One source: its records' schema, their time, key, bounds, repairs and expectations.

    Attributes:
        kind: `event` has event times and feeds features; `reference` is a small table that lookups join.
        files, delta, jdbc, repository: where records come from offline; at most one of them.
        topic: where records come from as they happen; a source may have this and one of those.
        ranges: that ingestion reads the topic, too, and not the speed layer's raw writer alone.
        log_from: with both, the event time (ISO 8601, UTC) from which the topic counts: earlier records of the topic
            and later ones of the files are declared duplicates.
        null_values: texts that mean "no value".
        derive: columns worked out from the others, in order; a later one may use an earlier one.
        event_time: the column (derived, timestamp) that says when the event happened.
        first_year: an event before it is quarantined.
        tolerance: how far beyond its append time an event time may lie.
        known_by: when an event counts as known in training: at its event time, or when it was appended.
        unique_key: columns whose equal values mean the same event sent twice, if it is of the same entities both times.
        duplicate_horizon: how long after the kept copy another one counts as its duplicate, in append time.
        condition: what is worth telling, or stopping for, when a batch differs from those before it.
    """

    description: str = ""
    owner: str = ""
    kind: Literal["event", "reference"] = "event"
    files: Files | None = None
    delta: DeltaTable | None = None
    jdbc: Jdbc | None = None
    repository: Repository | None = None
    topic: str | None = Field(default=None, pattern=r"^[A-Za-z0-9._-]{1,249}$")
    ranges: Ranges | None = None
    log_from: Moment | None = None
    null_values: tuple[str, ...] = ("",)
    columns: dict[Name, Column]
    lookups: dict[Name, Lookup] = {}
    derive: dict[Name, Derived] = {}
    event_time: Name | None = None
    first_year: int = Field(default=1970, ge=1970, le=2200)
    tolerance_ms: Milliseconds = Field(default=5 * MINUTE_MS, alias="tolerance")
    known_by: Literal["event_time", "append_time"] = "append_time"
    unique_key: tuple[Name, ...] = ()
    duplicate_horizon_ms: Milliseconds = Field(default=HOUR_MS, alias="duplicate_horizon")
    row_rules: tuple[RowRule, ...] = ()
    expectations: tuple[Expectation, ...] = ()
    condition: ConditionSection = ConditionSection()

    @property
    def all_columns(self) -> dict[str, Column]:
        """Return the record's columns and the derived ones, by name (lookups' columns are only inputs)."""
        return {**self.columns, **self.derive}

    @property
    def is_offline(self) -> bool:
        """Tell whether records come from files, a table or a database, which ingestion reads."""
        return any(getattr(self, origin) is not None for origin in ORIGINS)

    @property
    def separator(self) -> str:
        """Return what parts the fields of a line of its files."""
        return self.files.separator if self.files is not None else COMMA

    @model_validator(mode="after")
    def _has_time_and_place(self) -> "Source":
        named = [origin for origin in ORIGINS if getattr(self, origin) is not None]
        if len(named) > 1:
            raise ValueError(f"expected one of {', '.join(ORIGINS)} at most, found {' and '.join(named)}")
        if not named and self.topic is None:
            offline = "`, `".join(ORIGINS)
            raise ValueError(f"expected `{offline}`, `topic` or one with it: a source has to come from somewhere")
        if self.ranges is not None and self.topic is None:
            raise ValueError("expected `topic`: `ranges` says how it is read, found none")
        if self.kind == "event" and self.event_time is None:
            raise ValueError("expected `event_time`: the derived timestamp column that says when an event happened")
        if self.kind == "reference" and not self.unique_key:
            raise ValueError("expected `unique_key`: lookups join a reference by it")
        return self

    @model_validator(mode="after")
    def _has_names_of_its_own(self) -> "Source":
        names = [*self.columns, *self.derive, *(name for lookup in self.lookups.values() for name in lookup.take)]
        for name in names:
            if name in RESERVED_COLUMNS:
                raise ValueError(
                    f"expected another name than {name!r}, which prepared tables use themselves; "
                    f"name the column otherwise and say `field: {name}`"
                )
            if names.count(name) > 1:
                raise ValueError(
                    f"expected each name once among columns, derive and what lookups take, found {name!r} twice; "
                    f"to correct a column use its `repair`"
                )
        return self
