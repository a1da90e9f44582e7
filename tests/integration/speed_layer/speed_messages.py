"""Messages of the tiny project's own topics, made by hand: what its query would have said of orders."""

import msgspec
from speed_shop import T0, Order

from lambda_core.features.aggregations import Moment
from lambda_core.repositories.log import KafkaTopics, producer
from lambda_core.schemas.messages import QUARANTINE, REQUESTS, SCORES, UPDATES, Quarantined, Request, Update, topic

GROUP = "orders_by_customer"
PARTITIONS = 2


def own_topics(context):
    """Make the project's topics, those of its sources too."""
    name = context.project.project
    kinds = (UPDATES, REQUESTS, QUARANTINE, SCORES)
    topics = {topic(name, kind): PARTITIONS for kind in kinds} | {f"{name}.orders": 1}
    KafkaTopics(context.environment.kafka).create(topics)


def update(context, order, append_ms=T0):
    """Return the update of one order, at its offset of source partition 0."""
    values = {None: 1, "amount": order.cents, "weight": order.cents / 7}
    slots = context.definition.groups[GROUP].slots
    moment = Moment(order.at_ms, 0, order.offset)
    states = [slot.aggregation.lift(values[slot.column], moment) for slot in slots]
    row = context.definition.groups[GROUP].encode(states)
    place = (0, order.offset, append_ms, order.at_ms)
    return msgspec.json.encode(Update(context.definition.id, GROUP, order.customer, *place, row, f"o{order.offset}"))


def request(context, offset, append_ms=T0):
    """Return the request of an order at this offset."""
    own = (context.definition.id, "returns", "order", f"{context.project.project}.orders/0/{offset}", "c")
    return msgspec.json.encode(Request(*own, T0, append_ms, {GROUP: f"c{offset % 5}"}, {"amount": 50.0}))


def refused(offset):
    """Return the message of an order at this offset that is quarantined."""
    return msgspec.json.encode(Quarantined("orders", 0, offset, T0, ["amount: expected more"], "{}"))


def send(context, kind, values, partition=0):
    """Put messages on a partition of one of the project's topics; return when all are acknowledged."""
    name = kind if "." in kind else topic(context.project.project, kind)
    log = producer(context.environment.kafka)
    for value in values:
        log.produce(name, value, partition=partition)
        log.poll(0)
    assert log.flush(30) == 0


def orders(begin, end):
    """Return one customer's orders at these offsets."""
    return [Order("ann", 100, T0 + offset, offset) for offset in range(begin, end)]
