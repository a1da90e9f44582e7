"""The definition that a worker works by: its own settings, with the references that were pinned at publication.

A worker reads no tables. What a definition pins beside the settings lies in Redis, under the definition's id.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lambda_core.features.definition import compile_definition
from lambda_core.repositories.record_store import DefinitionStore

if TYPE_CHECKING:
    import redis

    from lambda_core.config.project import Project
    from lambda_core.features.definition import Definition
    from lambda_core.views.keyspace import Keyspace


def published_definition(
    project: Project, client: redis.Redis, keys: Keyspace, definition_id: str
) -> Definition | None:
    """Return the definition of this id; None when it was published from other settings than this process has."""
    references = DefinitionStore(client, keys).get_definition(definition_id)
    definition = compile_definition(project, references)
    return definition if definition.id == definition_id else None
