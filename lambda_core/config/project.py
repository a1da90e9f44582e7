"""What a project declares: one frozen model a section of `conf/<project>/*.yaml`.

Durations are texts such as `5 minutes`, `2h`, `30d`; the models keep them in milliseconds under names that end in
`_ms`. Expressions are Spark SQL over the columns of the source they stand in.
"""

from typing import Any, Literal

from pydantic import Field

from lambda_core.config.blocks import WindowedAggregations
from lambda_core.config.chain import Chain, Schedule
from lambda_core.config.origins import Files
from lambda_core.config.section import Milliseconds, Name, Section
from lambda_core.config.sources import Column, Derived, Expectation, Lookup, RowRule, Source
from lambda_core.features.windows import HOUR_MS, MINUTE_MS

__all__ = [
    "Chain",
    "Choice",
    "Column",
    "Derived",
    "Entity",
    "Expectation",
    "FeatureGroupSection",
    "FeatureSet",
    "Files",
    "Gate",
    "Label",
    "Lookup",
    "Milliseconds",
    "Model",
    "Name",
    "Project",
    "RequestFeature",
    "RowRule",
    "Rung",
    "Schedule",
    "Section",
    "Serving",
    "Source",
    "View",
    "WindowedAggregations",
]


class Entity(Section):
    """Something that features are about; its key is the values of these columns (string or integer)."""

    description: str = ""
    owner: str = ""
    keys: tuple[Name, ...] = Field(min_length=1)


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
        min_rows: fewest held-out rows that a partition may be judged by.
        resamples: paired bootstrap resamples of the held-out rows; the intervals' lower ends must lie above zero.
        confidence: share of the resamples inside an interval.
        blocking: whether a version that falls short is kept from being deployed; else it is only told.
    """

    min_auc_gain: float = 0.0
    min_log_loss_drop: float = 0.0
    min_rows: int = Field(default=100, ge=2)
    resamples: int = Field(default=500, ge=100, le=10_000)
    confidence: float = Field(default=0.95, gt=0.5, lt=1.0)
    blocking: bool = True


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
    chain: Chain = Chain()
    schedules: dict[Name, Schedule] = {}
