"""What a project declares: one frozen model a section of `conf/<project>/*.yaml`.

Durations are texts such as `5 minutes`, `2h`, `30d`; the models keep them in milliseconds under names that end in
`_ms`. Expressions are Spark SQL over the columns of the source they stand in.
"""

from typing import Literal

from pydantic import Field

from lambda_core.config.blocks import WindowedAggregations
from lambda_core.config.chain import Chain, Schedule
from lambda_core.config.modelling import Choice, Gate, Label, Model, Split
from lambda_core.config.origins import Files
from lambda_core.config.section import Milliseconds, Name, Section
from lambda_core.config.sources import Column, Derived, Expectation, Lookup, RowRule, Source
from lambda_core.config.transform import Transform
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
    "Split",
    "Transform",
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
    """The vector of a model: request features, then all features of the groups, then what is made of both, in declared order.

    Attributes:
        asked_by: the source whose events ask for this vector; t is the event's own time.
        where: which of its events ask.
        transform: steps, each making new values of those before it.
    """

    description: str = ""
    owner: str = ""
    asked_by: Name
    where: str = "true"
    request_features: dict[Name, RequestFeature] = {}
    groups: tuple[Name, ...] = ()
    transform: tuple[Transform, ...] = ()


class Rung(Section):
    """One rung of the ladder that answers when the rung above is late or fails."""

    source: Literal["merged", "batch_only", "fallback", "default"]
    value: float | None = None


class Serving(Section):
    """Routes and time-outs of the serving layer."""

    deadline_ms: Milliseconds = Field(default=250, gt=0, alias="deadline")
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

    period_ms: Milliseconds = Field(default=HOUR_MS, gt=0, alias="period")
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
