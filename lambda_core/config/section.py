"""What every settings model is: frozen, strict, with durations as texts such as `5 minutes`."""

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from lambda_core.features.windows import parse_duration

Milliseconds = Annotated[
    int, BeforeValidator(lambda value: parse_duration(value) if isinstance(value, str) else value), Field(ge=0)
]
"""A duration: a text in YAML, a number of milliseconds in the model, under a name that ends in `_ms`."""

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
"""A name that may stand in tables, topics and keys."""


class Section(BaseModel):
    """Base of every settings model: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)
