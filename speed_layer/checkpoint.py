"""Whose checkpoint it is: a small file beside it names the definition and the topics whose offsets it holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lambda_core.errors import ConfigError, PositionError
from lambda_core.repositories.cards import claim_card

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

QUERY = "updates"
"""The name of the streaming query, and of its folder among the checkpoints."""


def claim(checkpoint: Path, definition_id: str, topic_ids: Mapping[str, str]) -> None:
    """Write the owner of a new checkpoint beside it, or make sure that an old one has the same.

    Raises:
        ConfigError: when it was made under another definition: its offsets are behind updates of that one alone.
        PositionError: when a topic was made again under its name: offsets of one topic mean nothing in another.
    """
    card = checkpoint.with_name(f"{checkpoint.name}.json")
    if checkpoint.exists() and not card.exists():
        raise ConfigError(f"checkpoint {checkpoint}: expected {card.name} beside it, found none; {_remedy(checkpoint)}")
    owner = claim_card(card, {"definition": definition_id, "topics": dict(topic_ids)})
    if owner["definition"] != definition_id:
        raise ConfigError(
            f"checkpoint {checkpoint}: expected definition {definition_id}, found {owner['definition']}; what the project "
            f"declares has changed since, so its updates are to be made anew; {_remedy(checkpoint)}"
        )
    for name, topic_id in owner["topics"].items():
        if topic_ids.get(name) != topic_id:
            raise PositionError(
                f"checkpoint {checkpoint}: expected topic {name} with id {topic_id}, found {topic_ids.get(name, 'none')}: "
                f"it was made again under its name; publish from the raw tables, then {_remedy(checkpoint)}"
            )
    if set(topic_ids) != set(owner["topics"]):
        raise ConfigError(
            f"checkpoint {checkpoint}: expected the topics {', '.join(sorted(owner['topics']))}, found "
            f"{', '.join(sorted(topic_ids))}; {_remedy(checkpoint)}"
        )


def _remedy(checkpoint: Path) -> str:
    return f"move {checkpoint.name} and {checkpoint.name}.json away to start again at the topics' begin"
