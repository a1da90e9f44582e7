"""What the endpoints take. Unknown keys are errors, so that a misspelt one is not silently no value."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictFloat, StrictInt, StrictStr

Key = StrictStr | StrictInt | None
Value = StrictBool | StrictInt | StrictFloat | StrictStr | None


class Body(BaseModel):
    """What every question has in common."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())

    entities: dict[str, Key | list[Key] | dict[str, Key]] = Field(
        default={},
        description="Entity name to its key: one value, values in declared order, or values by column; null when the "
        "event has no such entity.",
        examples=[{"customer": 42, "route": ["BER", "HAM"]}],
    )
    request: dict[str, Value] = Field(
        default={},
        description="Request features that are already worked out, by name: taken as they are.",
        examples=[{"basket_value": 79.9}],
    )
    event: dict[str, Value] = Field(
        default={},
        description="Columns of the asking event: keys and request features that are not given are worked out from "
        "them, by the expressions that training used.",
        examples=[{"customer": 42, "price": 79.9, "items": 3}],
    )
    t_ms: StrictInt | None = Field(
        default=None,
        ge=0,
        description="Moment asked for, milliseconds since 1970-01-01 UTC; events strictly before it count. Default: now.",
        examples=[1_700_000_000_000],
    )


class FeaturesBody(Body):
    """A question for a vector."""

    feature_set: StrictStr = Field(description="Name of the vector, as the project declares it.", examples=["checkout"])


class ScoreBody(Body):
    """A question for a score."""

    model: StrictStr = Field(description="Route or name of the model.", examples=["returned"])
    partition_key: StrictStr | None = Field(
        default=None, description="Chooses the model of a partition; default: from the event or the entities."
    )
    prediction_id: StrictStr | None = Field(
        default=None,
        min_length=1,
        max_length=200,
        description="Your id of this prediction: the first score under it is kept and stands, and GET "
        "/scores/{prediction_id} returns it. Without one nothing is kept.",
        examples=["order-4711"],
    )


def schema(body: type[BaseModel]) -> dict[str, Any]:
    """Return what OpenAPI says of a body: endpoints read it themselves, after the guard has let it in."""
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": body.model_json_schema()}}}}
