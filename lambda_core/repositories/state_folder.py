"""Whose a state folder is: one project's, since tables are named after sources and not after projects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lambda_core.errors import ConfigError
from lambda_core.repositories.cards import claim_card, read_card

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

CARD = "project.json"
"""Names the project, in the folder itself; made with the first table that is written."""


class StateFolder:
    """The folder of a project's tables, checkpoints, reports and registry.

    Attributes:
        folder: where it is. project: whose tables are to be read and written there.
    """

    def __init__(self, folder: Path, project: str) -> None:
        self.folder = folder
        self.project = project

    def check(self) -> None:
        """Make sure that no other project's tables are there; makes nothing, not even the folder.

        Raises:
            ConfigError: when there are.
        """
        self._refuse_another(read_card(self.folder / CARD))

    def claim(self) -> None:
        """Make it the project's before a table is written; one without a card becomes that of who comes first.

        Raises:
            ConfigError: when it is another project's.
        """
        self._refuse_another(claim_card(self.folder / CARD, {"project": self.project}))

    def _refuse_another(self, card: Mapping[str, str] | None) -> None:
        if card is not None and card.get("project") != self.project:
            raise ConfigError(
                f"state folder {self.folder}: expected tables of project {self.project!r}, found those of project "
                f"{card.get('project')!r} ({CARD} says so): both would write tables of the same names; set MAINSTEM_STATE, or "
                f"`state` in the environment's file, to a folder for {self.project!r} alone, or MAINSTEM_PROJECT to "
                f"{card.get('project')!r}"
            )
