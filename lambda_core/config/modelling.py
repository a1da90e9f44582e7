"""What a project declares of its models: what is predicted, from which rows and values, by what, and judged how."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from lambda_core.config.section import Milliseconds, Name, Section


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


class Split(Choice):
    """Which rows train a model, and which test it.

    Attributes:
        entities: those of the feature set whose training and test rows must lie a label's delay apart, or the split is
            refused; of the others it is only told. None: all of them, or those that the strategy keeps apart itself.
        unlabelled: whether rows without an outcome (yet) get a split, too; they train and test nothing.
    """

    entities: tuple[Name, ...] | None = None
    unlabelled: bool = False


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

    min_auc_gain: float = Field(default=0.0, allow_inf_nan=False)
    min_log_loss_drop: float = Field(default=0.0, allow_inf_nan=False)
    min_rows: int = Field(default=100, ge=2)
    resamples: int = Field(default=500, ge=100, le=10_000)
    confidence: float = Field(default=0.95, gt=0.5, lt=1.0)
    blocking: bool = True


def _listed(given: Any) -> Any:
    return [given] if isinstance(given, dict | Choice) else given


Choices = Annotated[tuple[Choice, ...], BeforeValidator(_listed, json_schema_input_type=Choice | list[Choice])]
"""One strategy or a list of them, each given what the one before left."""


class Model(Section):
    """A model: one artefact a partition, trained, judged and deployed as a whole.

    Attributes:
        select: which of the vector's values each partition's model takes; by default all of them. The baseline is given
            the whole vector.
    """

    description: str = ""
    owner: str = ""
    feature_set: Name
    label: Name
    partition_by: Name
    split: Split
    select: Choices = ()
    algorithm: Choice
    baseline: Choice
    gate: Gate = Gate()
    seed: int = 0
