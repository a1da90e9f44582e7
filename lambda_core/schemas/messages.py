"""Messages between the query, the workers and the tables: JSON in topics, one struct a kind.

Topics of a project: `<project>.updates`, `<project>.requests`, `<project>.quarantine`, `<project>.scores`, `<project>.chain`.
Times are milliseconds since 1970-01-01 UTC. A *position* is (partition, offset) of the record in its source topic.
"""

from typing import Annotated, Any

import msgspec

UPDATES = "updates"
REQUESTS = "requests"
QUARANTINE = "quarantine"
SCORES = "scores"
CHAIN = "chain"

DATA_AVAILABLE = "source data available"
DATA_EXTRACTED = "raw data extracted"
DATA_PREPARED = "data prepared"
FEATURES_GENERATED = "features generated"
STEP_FAILED = "step failed"

Place = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
"""An offset; the fence's script counts in doubles."""
Partition = Annotated[int, msgspec.Meta(ge=0, lt=2**31)]
Time = Annotated[int, msgspec.Meta(ge=-(2**53), le=2**53)]


def topic(project: str, kind: str) -> str:
    """Return the name of one of the project's own topics.

    Example:
        >>> topic("shop", UPDATES)
        'shop.updates'
    """
    return f"{project}.{kind}"


class Update(msgspec.Struct, frozen=True):
    """One event's contribution to one (feature group, entity): the states of all the group's slots.

    Attributes:
        definition: id of the definition it was made under.
        row: components of the event's states, slot after slot, as texts ("" for the state of no event).
        unique: canonical unique key of the event; None where the source declares none.
    """

    definition: str
    group: str
    entity: str
    partition: Partition
    offset: Place
    append_ms: Time
    event_ms: Time
    row: list[str]
    unique: str | None = None


class Request(msgspec.Struct, frozen=True):
    """One event's question for a score at its own time t.

    Attributes:
        prediction_id: `<topic>/<partition>/<offset>` of the asking event.
        feature_set: name of the vector; `partition_key` chooses the model of a partition.
        entities: feature group -> canonical entity key, None where the event has none.
        request: request features by name, as worked out from the event.
    """

    definition: str
    model: str
    feature_set: str
    prediction_id: str
    partition_key: str
    t_ms: int
    append_ms: int
    entities: dict[str, str | None]
    request: dict[str, float | int | None]


class Quarantined(msgspec.Struct, frozen=True):
    """A record that could not be used: where it is, why, and its first kilobyte."""

    source: str
    partition: int
    offset: int
    append_ms: int
    reasons: list[str]
    excerpt: str


class GroupProvenance(msgspec.Struct, frozen=True):
    """Where one group's part of an answer came from.

    Attributes:
        entity: canonical key; None where the request had none (all features are then those of no event).
        positions: the fence vector: source partition -> greatest offset applied for this entity since the horizon.
        from_batch, from_speed: whether the view of that side held anything inside the group's windows.
        edge: whether t lay before an event that was already folded (`views.reading`).
        last_event_ms: event time of the newest event seen by this entity in either view; None when there was none.
        late: whether events of this entity appeared in periods before the horizon after the view had closed them
            (`views.pointer.Published.misses`): neither view counts these, whatever the positions say; the next one does.
    """

    entity: str | None
    positions: dict[int, int] = {}
    from_batch: bool = False
    from_speed: bool = False
    edge: bool = False
    last_event_ms: int | None = None
    late: bool = False


class Answer(msgspec.Struct, frozen=True):
    """A vector, and where it came from: enough for anyone to recompute it.

    Attributes:
        source: `merged`, `batch_only`, `fallback` or `default`.
        values: feature name -> value, in the vector's order.
        generation, horizon, epoch: the published view that was read; None when the rung below `batch_only` answered.
        overflowed: features whose state left its range (their value is None).
    """

    t_ms: int
    feature_set: str
    feature_set_id: str
    source: str
    values: dict[str, Any]
    generation: str | None = None
    horizon: int | None = None
    epoch: str | None = None
    groups: dict[str, GroupProvenance] = {}
    overflowed: list[str] = []


class Score(msgspec.Struct, frozen=True):
    """A prediction with the answer it was made from; one record of the topic and the table of scores.

    Attributes:
        score: probability of the label being 1, between 0 and 1.
        model_version: version in the registry; None when no model answered (fallback, default).
        append_ms: append time of the asking event; scored_ms: when the score was made.
    """

    prediction_id: str
    model: str
    model_version: str | None
    partition_key: str
    score: float
    answer: Answer
    append_ms: int
    scored_ms: int


class Said(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A step of the chain from a source's data to its features, asked for or done; one record of the topic of the chain.

    Whoever has data for a source sends `{"event": "source data available", "source": "<name>"}`; all else is answers.

    Attributes:
        event: one of the sentences above, or `<stage> done` for a stage without one of its own.
        source: whose data. full: all of it is to be looked at, and not only what is new.
        batch_ids: the batches that are in raw now, of what was there to ingest.
        table, version: what was written, as it is now. rows: how many rows this step added.
        view: the generation of the batch view that holds the features.
        together: the sources that are announced in the same moment: their messages are followed together.
        run_id: of the run that did it. asked_by: `<topic>/<partition>/<offset>` of the message that it answers; where
            there are several, of the one about this source, and also_asked_by: of the others.
        error: why the step failed.
    """

    event: str
    source: str | None = None
    full: bool = False
    together: list[str] = []
    batch_ids: list[str] = []
    table: str | None = None
    version: int | None = None
    rows: int | None = None
    view: str | None = None
    run_id: str | None = None
    asked_by: str | None = None
    also_asked_by: list[str] = []
    error: str | None = None
    at_ms: int | None = None
