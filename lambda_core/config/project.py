"""What a project declares: one frozen model a section of `conf/<project>/*.yaml`.

Durations are texts such as `5 minutes`, `2h`, `30d`; the models keep them in milliseconds under names that end in
`_ms`. Expressions are Spark SQL over the columns of the source they stand in.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from lambda_core.features.aggregations import Number
from lambda_core.features.windows import HOUR_MS, MINUTE_MS, Window, parse_duration

Milliseconds = Annotated[int, BeforeValidator(lambda value: parse_duration(value) if isinstance(value, str) else value)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
AggregationName = Literal["count", "sum", "mean", "variance", "min", "max", "latest"]


class Section(BaseModel):
    """Base of every settings model: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Column(Section):
    """One column of a source as its records carry it.

    Attributes:
        type: what the text of the record must be readable as; anything else is quarantined with its position.
        scale: digits after the point of a decimal (0 to 9); further digits are rounded half up.
        required: whether a missing value is quarantined.
        min, max: bounds, included, in the column's unit; outside is quarantined.
        repair: Spark SQL for the value to use instead, over the record's columns as read.
    """

    type: Literal["integer", "decimal", "float", "string", "boolean"]
    scale: int = Field(default=0, ge=0, le=9)
    required: bool = False
    min: float | None = None
    max: float | None = None
    unit: str | None = None
    description: str = ""
    repair: str | None = None

    @property
    def number(self) -> Number:
        """Return the type that aggregations over this column work with."""
        if self.type == "boolean":
            return Number("integer")
        return Number(self.type, self.scale if self.type == "decimal" else 0)


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


class Files(Section):
    """Where a source's files lie, below the environment's data folder."""

    path: str
    format: Literal["csv", "json"] = "csv"


class Source(Section):
    """One source: its records' schema, their time, key, bounds, repairs and expectations.

    Attributes:
        kind: `event` has event times and feeds features; `reference` is a small table that lookups join.
        files, topic: where records come from; a source may have both.
        log_from: with both, the event time (ISO 8601, UTC) from which the topic counts: earlier records of the topic
            and later ones of the files are declared duplicates.
        null_values: texts that mean "no value".
        derive: columns worked out from the others, in order; a later one may use an earlier one.
        event_time: the column (derived, timestamp) that says when the event happened.
        first_year: an event before it is quarantined.
        tolerance: how far beyond its append time an event time may lie.
        known_by: when an event counts as known in training: at its event time, or when it was appended.
        unique_key: columns whose equal values mean the same event sent twice.
        duplicate_horizon: how long after the kept copy another one counts as its duplicate, in append time.
    """

    description: str = ""
    owner: str = ""
    kind: Literal["event", "reference"] = "event"
    files: Files | None = None
    topic: str | None = None
    log_from: str | None = None
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

    @property
    def all_columns(self) -> dict[str, Column]:
        """Return the record's columns and the derived ones, by name (lookups' columns are only inputs)."""
        return {**self.columns, **self.derive}

    @model_validator(mode="after")
    def _has_time_and_place(self) -> "Source":
        if self.files is None and self.topic is None:
            raise ValueError("expected `files`, `topic` or both: a source has to come from somewhere")
        if self.kind == "event" and self.event_time is None:
            raise ValueError("expected `event_time`: the derived timestamp column that says when an event happened")
        if self.kind == "reference" and not self.unique_key:
            raise ValueError("expected `unique_key`: lookups join a reference by it")
        return self


class Entity(Section):
    """Something that features are about; its key is the values of these columns (string or integer)."""

    description: str = ""
    owner: str = ""
    keys: tuple[Name, ...] = Field(min_length=1)


class WindowedAggregations(Section):
    """A block of features: every aggregation over every window of one column.

    Attributes:
        column: the source column; None only for counting events.
        hop: the step of the windows' left edges; by default it follows from each length.
    """

    column: Name | None = None
    aggregations: tuple[AggregationName, ...] = Field(min_length=1)
    windows: tuple[Milliseconds, ...] = Field(min_length=1)
    hop_ms: Milliseconds | None = Field(default=None, alias="hop")
    unit: str | None = None
    description: str = ""

    @model_validator(mode="after")
    def _column_where_needed(self) -> "WindowedAggregations":
        if self.column is None and set(self.aggregations) != {"count"}:
            raise ValueError("expected `column`: only `count` works without one")
        return self

    def window_list(self) -> list[Window]:
        """Return the windows in order of declaration."""
        return [Window.of(length, self.hop_ms) for length in self.windows]


class FeatureGroupSection(Section):
    """Features of one entity from the events of one source; all of them travel in one update."""

    description: str = ""
    owner: str = ""
    source: Name
    entity: Name
    features: tuple[WindowedAggregations, ...] = Field(min_length=1)


class RequestFeature(Section):
    """A feature worked out from the asking event itself, by the same expression in training and serving."""

    expression: str
    type: Literal["integer", "float", "string"] = "float"
    unit: str | None = None
    description: str = ""


class FeatureSet(Section):
    """The vector of a model: request features first, then all features of the groups, each in declared order.

    Attributes:
        asked_by: the source whose events ask for this vector; t is the event's own time.
        where: which of its events ask.
    """

    description: str = ""
    owner: str = ""
    asked_by: Name
    where: str = "true"
    request_features: dict[Name, RequestFeature] = {}
    groups: tuple[Name, ...] = ()


class Label(Section):
    """What is to be predicted, from the source of outcomes.

    Attributes:
        value: Spark SQL over the outcome's columns: 0, 1, or null where the outcome says nothing.
        join: columns that are equal in the asking event and its outcome.
        delay: the embargo: an outcome is known at the latest this long after the asking event.
    """

    description: str = ""
    owner: str = ""
    source: Name
    value: str
    join: tuple[Name, ...] = Field(min_length=1)
    delay_ms: Milliseconds = Field(alias="delay")


class Choice(Section):
    """A strategy by its name in the stage's menu, or by the dotted path of a user's own class, with its parameters."""

    strategy: str
    parameters: dict[str, Any] = {}


class Gate(Section):
    """What a candidate must show, in every partition, on the same held-out rows.

    Attributes:
        min_auc_gain: smallest gain of ROC AUC over the baseline (0 to 1).
        min_log_loss_drop: smallest share by which log loss lies below the baseline's (0 to 1).
    """

    min_auc_gain: float = 0.0
    min_log_loss_drop: float = 0.0
    min_rows: int = 100


class Model(Section):
    """A model: one artefact a partition, trained, judged and deployed as a whole."""

    description: str = ""
    owner: str = ""
    feature_set: Name
    label: Name
    partition_by: Name
    split: Choice
    algorithm: Choice
    baseline: Choice
    gate: Gate = Gate()
    seed: int = 0


class Rung(Section):
    """One rung of the ladder that answers when the rung above is late or fails."""

    source: Literal["merged", "batch_only", "fallback", "default"]
    value: float | None = None


class Serving(Section):
    """Routes and time-outs of the serving layer."""

    deadline_ms: Milliseconds = Field(default=250, alias="deadline")
    ladder: tuple[Rung, ...] = (Rung(source="merged"), Rung(source="batch_only"), Rung(source="default", value=0.5))
    routes: dict[Name, Name] = {}


class View(Section):
    """How events are cut and how much the views keep.

    Attributes:
        period: length of a period of append time; part of the definition id.
        clock_allowance: how far behind the brokers' clocks a published horizon lies.
        ring: how many of the newest events a speed hash keeps single.
        lookback: how far before the view's last event a read may be asked for and still be exact.
    """

    period_ms: Milliseconds = Field(default=HOUR_MS, alias="period")
    clock_allowance_ms: Milliseconds = Field(default=MINUTE_MS, alias="clock_allowance")
    ring: int = Field(default=32, ge=1, le=1024)
    lookback_ms: Milliseconds = Field(default=24 * HOUR_MS, alias="lookback")


class Project(Section):
    """A whole project: the union of the YAML files of its folder."""

    project: Name
    description: str = ""
    owner: str = ""
    view: View = View()
    sources: dict[Name, Source]
    entities: dict[Name, Entity] = {}
    feature_groups: dict[Name, FeatureGroupSection] = {}
    feature_sets: dict[Name, FeatureSet] = {}
    labels: dict[Name, Label] = {}
    models: dict[Name, Model] = {}
    serving: Serving = Serving()

