"""What every settings model is: frozen, strict, with durations as texts such as `5 minutes`."""

from collections.abc import Callable
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from lambda_core.features.windows import ALL_MS, parse_duration


def parsed_by(parse: Callable[[str], int]) -> BeforeValidator:
    """Return what makes milliseconds of a text; a number stays one, and YAML's true and false are none."""
    return BeforeValidator(lambda value: parse(str(value)) if isinstance(value, str | bool) else value)


Milliseconds = Annotated[int, parsed_by(parse_duration), Field(ge=0, le=ALL_MS)]
"""A duration: a text in YAML, a number of milliseconds in the model, under a name that ends in `_ms`."""

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
"""A name that may stand in tables, topics and keys."""


class Section(BaseModel):
    """Base of every settings model: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)
