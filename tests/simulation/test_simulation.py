"""The merge under a virtual clock: some seeds in every run (thousands: `make simulate`), and mistakes that they find."""

import pytest

from tests.simulation.mutants import MUTANTS
from tests.simulation.sharded_mutants import SHARDED_MUTANTS
from tests.simulation.shards import ShardedWorld, few_slots
from tests.simulation.world import simulate, simulated

SEEDS = 60
RARE = {
    "the_worker_does_not_know_the_coming_view": 2_440,
    "the_worker_looks_before_it_polls": 1_530,
    "caught_up_to_where_the_log_once_ended": 730,
    "a_flip_does_not_ask_for_the_note": 670,
    "caught_up_before_the_log_is_read": 150,
    "readers_trust_a_redis_that_was_started_again": 110,
    "a_read_asks_for_the_epoch_alone": 2_100,
    "positions_lie_on_one_shard": 280,
    "the_newest_shard_counts": 60,
}
"""Mistakes that few seeds find, and from which seed on to look for them."""


def test_every_answer_on_the_way_and_at_the_end_is_the_batch_formula():
    failed, seen = simulated(range(SEEDS))

    assert failed is None, f"look at it with: python -m tests.simulation --seed {failed}"
    assert seen["answers"] > 10 * SEEDS
    assert (
        min(seen[what] for what in ("killed", "restarted", "emptied", "reverted", "published", "on the edge", "late"))
        > 0
    )


def test_every_answer_of_a_cluster_is_the_batch_formula_though_shards_are_lost_alone():
    with few_slots():
        failed, seen = simulated(range(SEEDS // 2), ShardedWorld)

    assert failed is None, f"look at it with: python -m tests.simulation --cluster --seed {failed}"
    assert seen["answers"] > 5 * SEEDS
    assert min(seen[what] for what in ("killed", "restarted", "emptied", "reverted", "published")) > 0


def test_a_seed_says_the_same_whenever_it_is_run():
    first, again = simulate(7, tell=True), simulate(7, tell=True)

    assert first.story == again.story
    assert first.seen == again.seen


@pytest.mark.parametrize("mistake", MUTANTS)
def test_a_mistake_is_found(mistake: str):
    first = RARE.get(mistake, 0)
    with MUTANTS[mistake]() as world:
        failed, _ = simulated(range(first, first + 100), world)

    assert failed is not None, "`python -m tests.simulation --mutants` says which seed finds it"


@pytest.mark.parametrize("mistake", SHARDED_MUTANTS)
def test_a_mistake_over_a_cluster_is_found(mistake: str):
    first = RARE.get(mistake, 0)
    with SHARDED_MUTANTS[mistake]():
        failed, _ = simulated(range(first, first + 50), ShardedWorld)

    assert failed is not None, "look for a seed that finds it, and say from which on to look"
