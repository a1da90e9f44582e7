"""The parts of a crash run that need no server: what is drawn depends on the seed alone, and the oracle says what reading does."""

import random
from collections import Counter
from dataclasses import replace
from fractions import Fraction

import msgspec
import pytest

from lambda_core.config.project import Project
from lambda_core.features.definition import compile_definition
from lambda_core.views.reading import read_group
from lambda_core.views.speed import SeenKeys, SpeedHash
from tests.crash.oracle import Oracle, Placed, key, later_copies
from tests.crash.plan import FIVE, LIVE_POINTS, Scope, draw_plan
from tests.crash.project import PARTITIONS, RULES, declared
from tests.crash.sales import STEP_MS, T0_MS, Sales
from tests.laws.oracle import Event
from tests.laws.worlds import batch_value, update_of

APPENDED_MS = 1_800_000_000_000
MESSAGES = 1_200
ASKED = 150


def drawn(seed, customers=12):
    """Messages as a log would have placed them, twenty milliseconds one after the other."""
    sales, offsets, placed = Sales(seed, customers, shops=3), Counter(), []
    for number in range(MESSAGES):
        message = sales.next()
        placed.append(Placed(message.partition, offsets[message.partition], APPENDED_MS + number * 20, message.sale))
        offsets[message.partition] += 1
    return placed


def event_of(one, entity):
    sale = one.sale
    values = {"amount": Fraction(sale.cents, 100), "weight": sale.weight}
    return Event(one.partition, one.offset, one.append_ms, sale.at_ms, entity, values, sale.id)


class Product:
    """One (group, entity)'s views as the product makes and reads them."""

    def __init__(self, group, records, entity):
        self.group = group
        own = (one for one in records if one.sale and key(str(getattr(one.sale, group.entity))) == entity)
        self.events = [(event, update_of(group, event)) for event in (event_of(one, entity) for one in own)]

    def answer(self, entity, t_ms, horizon, positions):
        seen, hashes, batch = SeenKeys(RULES.duplicate_horizon_ms), {}, []
        for event, update in self.events:
            period = event.append_ms // RULES.period_ms
            if period < horizon:
                batch += [] if seen.is_duplicate(update) else [event]
            elif event.offset <= positions.get(event.partition, -1):
                hashes.setdefault(period, SpeedHash()).apply(self.group, update, seen, RULES.ring)
        reading = read_group(self.group, entity, batch_value(self.group, batch), list(hashes.values()), t_ms)
        provenance = msgspec.structs.replace(reading.provenance, positions=positions)
        return reading.values, msgspec.to_builtins(provenance)


def questions(records, seed):
    """Moments, horizons and positions of all kinds, and of them the product's answers."""
    draw, groups = random.Random(seed), compile_definition(Project.model_validate(declared())).groups
    asked = [("by_customer", f"c%7C{number}") for number in range(12)] + [("by_shop", f"shop {n}") for n in range(3)]
    products = {(name, entity): Product(groups[name], records, entity) for name, entity in asked}
    first = APPENDED_MS // RULES.period_ms
    for number in range(ASKED):
        values, said = {}, {}
        t_ms = T0_MS + MESSAGES * STEP_MS - draw.choice((-10_000, 0, draw.randrange(7_200_000)))
        t_ms -= t_ms % 300_000 if draw.random() < 0.3 else 0
        horizon = first + draw.randrange(MESSAGES * 20 // RULES.period_ms + 2)
        positions = {partition: draw.randrange(MESSAGES // PARTITIONS) for partition in range(PARTITIONS)}
        for name, entity in (("by_customer", f"c%7C{number % 12}"), ("by_shop", f"shop {number % 3}")):
            answered, said[name] = products[name, entity].answer(entity, t_ms, horizon, positions)
            values |= answered
        yield {"t_ms": t_ms, "horizon": horizon, "groups": said, "values": values}


@pytest.mark.parametrize("seed", [1, 2])
def test_the_oracle_says_what_the_product_reads_on_every_side_and_edge(seed):
    records = drawn(seed)
    oracle = Oracle(records, RULES)
    answers = list(questions(records, seed))

    assert [sentence for answer in answers for sentence in oracle.compare(answer)] == []
    flags = Counter(group["edge"] for answer in answers for group in answer["groups"].values())
    assert min(flags[True], flags[False]) > ASKED // 10


def test_the_oracle_finds_a_value_an_edge_and_a_position_that_are_not_what_they_must_be():
    records = drawn(3)
    oracle = Oracle(records, RULES)
    first = next(answer for answer in questions(records, 3) if answer["values"]["by_shop__count_1h"] > 2)
    other = {**first["values"], "by_shop__count_1h": first["values"]["by_shop__count_1h"] - 1}
    edge = {name: {**group, "edge": not group["edge"]} for name, group in first["groups"].items()}

    assert oracle.compare(first) == []
    assert len(oracle.compare({**first, "values": other})) == 1
    assert len(oracle.compare({**first, "groups": edge})) == 2
    assert oracle.compare(first, everything=True)


def test_copies_count_again_once_the_one_kept_last_is_older_than_their_horizon():
    sale = next(one.sale for one in drawn(1) if one.sale)
    moments = [0, RULES.duplicate_horizon_ms, RULES.duplicate_horizon_ms + 1, 2 * RULES.duplicate_horizon_ms + 1]
    records = [Placed(0, offset, append_ms, sale) for offset, append_ms in enumerate(moments)]

    assert later_copies(records, RULES.duplicate_horizon_ms) == {(0, 1), (0, 3)}
    assert later_copies([*records, replace(records[0], partition=1)], RULES.duplicate_horizon_ms) == {(0, 1), (0, 3)}


def test_a_seed_draws_the_same_messages_and_the_same_plan():
    assert drawn(5) == drawn(5)
    assert draw_plan(5, Scope()) == draw_plan(5, Scope())
    assert draw_plan(5, Scope()) != draw_plan(6, Scope())


@pytest.mark.parametrize("seed", range(5))
def test_a_plan_kills_each_of_the_five_as_often_and_passes_every_point(seed):
    plan = draw_plan(seed, Scope())
    killed = Counter(target for step in plan.steps for target in step.targets)
    points = [point.partition(":")[0] for own in plan.points.values() for point in own]

    assert {name: killed[name] for name in FIVE} == dict.fromkeys(FIVE, 5)
    assert plan.kills == 25
    assert (killed["join"], killed["leave"]) == (1, 1)
    assert sorted(points) == sorted(LIVE_POINTS)


def test_messages_are_of_every_kind_and_first_go_through_all_customers():
    sales = Sales(1, 200)
    messages = [sales.next() for _ in range(5_000)]
    kinds = Counter(message.kind for message in messages)

    assert kinds["broken"] > 20
    assert kinds["copy"] > 50
    assert len({message.sale.customer for message in messages if message.sale}) > 200
    assert {message.value: message.sale for message in messages if message.kind == "broken"}.keys().isdisjoint(
        message.value for message in messages if message.sale
    )
