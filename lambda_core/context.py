"""What a stage is given: settings, tables, store, clock, log. Servers and Spark are built when first asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import structlog

from lambda_core.clock import Clock, SystemClock

if TYPE_CHECKING:
    from collections.abc import Callable

    import redis
    from pyspark.sql import SparkSession

    from lambda_core.config.environment import Environment
    from lambda_core.config.project import Project
    from lambda_core.features.definition import Definition
    from lambda_core.repositories.registry import Registry
    from lambda_core.repositories.tables import TableRepository
    from lambda_core.views.keyspace import Keyspace


@dataclass
class RunContext:
    """Everything a stage may touch. `bootstrap.build_context` fills in the builders.

    Attributes:
        run_id: id of this run; in every log line, audit record and table commit it makes.
        builders: how `spark`, `tables`, `redis`, `registry` and `definition` are made when they are first asked for.
    """

    run_id: str
    project: Project
    environment: Environment
    keys: Keyspace
    builders: dict[str, Callable[[RunContext], Any]]
    clock: Clock = field(default_factory=SystemClock)
    log: Any = field(default_factory=structlog.get_logger)

    @cached_property
    def spark(self) -> SparkSession:
        """Return the Spark session; started at the first call."""
        return self.builders["spark"](self)  # type: ignore[no-any-return]

    @cached_property
    def tables(self) -> TableRepository:
        """Return the Delta tables."""
        return self.builders["tables"](self)  # type: ignore[no-any-return]

    @cached_property
    def redis(self) -> redis.Redis:
        """Return the Redis client."""
        return self.builders["redis"](self)  # type: ignore[no-any-return]

    @cached_property
    def registry(self) -> Registry:
        """Return the registry of runs and model versions."""
        return self.builders["registry"](self)  # type: ignore[no-any-return]

    @cached_property
    def definition(self) -> Definition:
        """Return the compiled definition, pinned to the references as they are prepared now."""
        return self.builders["definition"](self)  # type: ignore[no-any-return]
