"""A step of a feature set's transformation as declared: new values, from values that the vector has before."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from lambda_core.config.modelling import Choice
from lambda_core.config.section import Name


def _listed(given: Any) -> Any:
    return [given] if isinstance(given, str) else given


class Transform(Choice):
    """One step: a strategy, by its name or the dotted path of one's own class, over values that are there before it.

    Attributes:
        name: of the new value, or what the names of several begin with.
        of: one value's name, or several in the order in which the strategy takes them.
        unit: of what is made; by default that of its input where the strategy keeps it.
    """

    name: Name
    of: Annotated[tuple[Name, ...], BeforeValidator(_listed, json_schema_input_type=str | list[str])] = Field(
        min_length=1
    )
    unit: str | None = None
    description: str = ""
