"""A tiny project for the speed layer's tests: orders of customers, and what a plain loop says of them."""

import dataclasses
import uuid
from pathlib import Path

from lambda_core.bootstrap import assemble
from lambda_core.config.environment import Environment
from lambda_core.config.project import Project
from lambda_core.context import RunContext
from lambda_core.features.definition import Definition, compile_definition
from lambda_core.features.windows import HOUR_MS, floor_to
from lambda_core.repositories.record_store import DefinitionStore
from lambda_core.repositories.store import connect
from lambda_core.views.pointer import Pointer, Published

T0 = 1_700_000_000_000


@dataclasses.dataclass(frozen=True)
class Order:
    """One order: cents, and its event time in milliseconds."""

    customer: str
    cents: int
    at_ms: int
    offset: int = 0


def project(name: str) -> Project:
    """Return the project under a name of its own, so that topics and keys are too."""
    return Project.model_validate(
        {
            "project": name,
            "view": {"period": "1h", "ring": 4},
            "sources": {
                "orders": {
                    "topic": f"{name}.orders",
                    "columns": {
                        "id": {"type": "string", "required": True},
                        "customer": {"type": "string"},
                        "amount": {"type": "decimal", "scale": 2, "min": 0},
                        "weight": {"type": "float"},
                        "at": {"type": "integer", "required": True},
                    },
                    "derive": {"ordered": {"type": "timestamp", "expression": "timestamp_millis(at)"}},
                    "event_time": "ordered",
                    "unique_key": ["id"],
                    "first_year": 2020,
                }
            },
            "entities": {"customer": {"keys": ["customer"]}},
            "feature_groups": {
                "orders_by_customer": {
                    "source": "orders",
                    "entity": "customer",
                    "features": [
                        {"aggregations": ["count"], "windows": ["1h"]},
                        {"column": "amount", "aggregations": ["sum", "max", "latest"], "windows": ["1h"]},
                        {"column": "weight", "aggregations": ["sum", "variance"], "windows": ["1h"]},
                        {"name": "big", "where": "amount >= 50", "aggregations": ["count"]},
                        {"name": "big", "condition": "amount >= 50", "aggregations": ["share"], "windows": ["1h"]},
                        {"column": "amount", "aggregations": ["first"], "windows": ["1h"]},
                        {"column": "amount", "aggregations": ["shares"], "bins": [20, 50], "windows": ["1h"]},
                    ],
                }
            },
            "feature_sets": {
                "order": {
                    "asked_by": "orders",
                    "where": "amount >= 50",
                    "request_features": {"amount": {"expression": "amount"}},
                    "groups": ["orders_by_customer"],
                }
            },
            "labels": {
                "returned": {"source": "orders", "value": "0", "join": ["id"], "delay": "1d"},
            },
            "models": {
                "returns": {
                    "feature_set": "order",
                    "label": "returned",
                    "partition_by": "customer",
                    "split": {"strategy": "by_time"},
                    "algorithm": {"strategy": "lightgbm"},
                    "baseline": {"strategy": "isotonic"},
                }
            },
        }
    )


def shop_context(folder: Path, kafka: str, redis_url: str, spark: object = None, name: str | None = None) -> RunContext:
    """Return a context of the tiny project; its definition needs no tables, since it has no references."""
    environment = Environment.model_validate(
        {
            "kafka": kafka,
            "redis": redis_url,
            "state": folder,
            "speed": {"trigger": "realtime 5 seconds", "raw_trigger": "1 second", "topic_partitions": 2},
        }
    )
    context = assemble(project(name or f"shop{uuid.uuid4().hex[:8]}"), environment, streaming=True)
    context.builders = {**context.builders, "definition": lambda own: compile_definition(own.project)}
    if spark is not None:
        context.builders["spark"] = lambda _: spark
    return context


def publish_empty_view(context: RunContext) -> str:
    """Publish a view that covers nothing, so that every period is the speed view's; return its epoch."""
    definition: Definition = context.definition
    client = connect(context.environment.redis.get_secret_value())
    epoch = f"{definition.id}.0"
    DefinitionStore(client, context.keys).put_definition(definition.id, {})
    client.sadd(context.keys.mark, epoch)
    client.set(context.keys.pointer, Pointer(Published("g0", 0, epoch, {}, 0)).encode())
    client.close()
    return epoch


def plain_features(orders: list[Order], t_ms: int) -> dict[str, float | int | None]:
    """Return one customer's exact features at t by one loop over all of the customer's orders."""
    start_ms = floor_to(t_ms - HOUR_MS, 5 * 60_000)
    seen = [order for order in orders if start_ms <= order.at_ms < t_ms]
    by_moment = sorted(seen, key=lambda order: (order.at_ms, order.offset))
    first, last = by_moment[:1], by_moment[-1:]
    middle, big = [2_000 <= order.cents < 5_000 for order in seen], [order.cents >= 5_000 for order in seen]
    return {
        "orders_by_customer__count_1h": len(seen),
        "orders_by_customer__amount_sum_1h": sum(order.cents for order in seen) / 100 if seen else None,
        "orders_by_customer__amount_max_1h": max((order.cents for order in seen), default=0) / 100 if seen else None,
        "orders_by_customer__amount_latest_1h": last[0].cents / 100 if last else None,
        "orders_by_customer__amount_first_1h": first[0].cents / 100 if first else None,
        "orders_by_customer__big_count_all": sum(order.at_ms < t_ms and order.cents >= 5_000 for order in orders),
        "orders_by_customer__big_share_1h": sum(big) / len(big) if big else None,
        "orders_by_customer__amount_share_1_1h": sum(middle) / len(middle) if middle else None,
    }
