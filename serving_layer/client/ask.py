"""One question for people: the vector, and where each part of it came from, as tables."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from lambda_core.errors import SchemaError
from lambda_core.features.catalogue import catalogue
from lambda_core.repositories.store import client_of
from serving_layer.client.client import ServingClient, answer_seconds
from serving_layer.routing.questions import Asked

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import RenderableType

    from lambda_core.context import RunContext
    from lambda_core.features.definition import Definition
    from lambda_core.schemas.messages import Answer


def ask(context: RunContext, feature_set: str, keys: Mapping[str, str], at: str | None = None) -> Answer:
    """Print and return one vector, by the key columns of its entities, at a moment (ISO 8601, UTC unless it says else).

    Raises:
        ConfigError, SchemaError: when a name or key is wrong. StoreError: when Redis is away or nothing is published.
    """
    redis = client_of(context.environment.redis.get_secret_value(), answer_seconds(context.project))
    client = ServingClient(context.project, None, redis, context.clock)
    try:
        client.refresh()
        asked = Asked(entities_by_column(client.current.serving.definition, feature_set, keys))
        answer = client.features(feature_set, asked, None if at is None else moment_ms(at))
        Console().print(*pages(client.current.serving.definition, answer), sep="\n")
        return answer
    finally:
        client.close()


def entities_by_column(definition: Definition, feature_set: str, keys: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Return the vector's entities whose key columns are all among the given ones."""
    declared = definition.project.feature_sets.get(feature_set)
    wanted = {definition.groups[group].entity for group in declared.groups} if declared else set()
    columns = {name: definition.project.entities[name].keys for name in wanted}
    return {
        name: {column: keys[column] for column in own}
        for name, own in columns.items()
        if all(column in keys for column in own)
    }


def moment_ms(text: str) -> int:
    """Return a moment in milliseconds UTC.

    Raises:
        SchemaError: when the text is no ISO 8601 moment.

    Example:
        >>> moment_ms("2013-12-01T00:00:00Z")
        1385856000000
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise SchemaError(f"at: expected a moment like 2013-12-01T17:30:00Z, found {text!r}") from error
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1_000)


def pages(definition: Definition, answer: Answer) -> list[RenderableType]:
    """Return what is printed: values, and provenance by group."""
    own = f"{answer.feature_set}."
    units = {card.name.removeprefix(own): card.unit or "" for card in catalogue(definition)}
    values = Table(title=f"{answer.feature_set} at {_moment(answer.t_ms)}", title_justify="left")
    for heading in ("feature", "value", "unit"):
        values.add_column(heading, justify="right" if heading == "value" else "left")
    for name, value in answer.values.items():
        values.add_row(name, _text(value), units.get(name, ""))
    groups = Table(title=_origin(answer), title_justify="left")
    for heading in ("group", "entity", "from", "newest event", "positions (partition: offset)"):
        groups.add_column(heading)
    for name, group in answer.groups.items():
        sides = [side for side, held in (("batch", group.from_batch), ("speed", group.from_speed)) if held]
        where = " + ".join(sides) + (" (edge)" if group.edge else "")
        positions = ", ".join(f"{partition}: {offset}" for partition, offset in sorted(group.positions.items()))
        newest = "" if group.last_event_ms is None else _moment(group.last_event_ms)
        groups.add_row(name, group.entity or "none", where or "nothing in its windows", newest, positions)
    return [values, groups]


def _origin(answer: Answer) -> str:
    view = f"generation {answer.generation}, horizon {answer.horizon}" if answer.generation else "no view"
    return f"source: {answer.source}; {view}; feature-set id {answer.feature_set_id}"


def _text(value: Any) -> str:
    if value is None:
        return "none"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _moment(moment_in_ms: int) -> str:
    return datetime.fromtimestamp(moment_in_ms / 1_000, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3] + "Z"
