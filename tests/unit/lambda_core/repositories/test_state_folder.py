"""A state folder is one project's: who comes first claims it, and nobody else reads or writes there."""

import json
import multiprocessing

import pytest

from lambda_core.bootstrap import assemble
from lambda_core.config.environment import Environment
from lambda_core.errors import ConfigError
from lambda_core.repositories.cards import claim_card, read_card
from lambda_core.repositories.state_folder import CARD, StateFolder
from lambda_core.repositories.tables import DeltaTables
from tests.laws.worlds import project

PROCESSES, ROUNDS = 8, 25
ANOTHER = r"expected tables of project 'world', found those of project 'shop' .* set MAINSTEM_STATE"


def test_the_first_project_that_writes_a_table_has_the_folder_and_another_is_refused(tmp_path):
    state = tmp_path / "state"
    assemble(project(), Environment(state=state))
    DeltaTables(None, state / "tables", StateFolder(state, "shop")).lock("orders")

    assert json.loads((state / CARD).read_text()) == {"project": "shop"}
    with pytest.raises(ConfigError, match=ANOTHER) as refused:
        assemble(project(), Environment(state=state))
    assert str(state) in str(refused.value)
    with pytest.raises(ConfigError, match=ANOTHER):
        DeltaTables(None, state / "tables", StateFolder(state, "world")).lock("orders")


def test_a_project_assembled_before_another_claimed_the_folder_writes_nothing_there(tmp_path):
    context = assemble(project(), Environment(state=tmp_path))
    context.builders["spark"] = lambda _: None
    StateFolder(tmp_path, "shop").claim()

    with pytest.raises(ConfigError, match=ANOTHER):
        context.tables.append("things", None)
    with pytest.raises(ConfigError, match=ANOTHER):
        context.tables.folder("things")
    assert not context.environment.tables.exists()


def test_a_folder_with_tables_but_without_a_card_is_claimed_by_who_writes_first(tmp_path):
    (tmp_path / "tables" / "raw_things" / "_delta_log").mkdir(parents=True)
    context = assemble(project(), Environment(state=tmp_path))
    context.builders["spark"] = lambda _: None
    context.tables.lock("raw_things")

    assert read_card(tmp_path / CARD) == {"project": "world"}
    assemble(project(), Environment(state=tmp_path))


def test_who_only_reads_makes_no_folder_and_claims_none(tmp_path):
    context = assemble(project(), Environment(state=tmp_path / "state"))
    context.builders["spark"] = lambda _: None

    assert not context.tables.exists("raw_things")
    assert list(tmp_path.iterdir()) == []


def test_of_eight_processes_that_come_at_once_one_has_the_folder_and_all_say_the_same(tmp_path):
    fork = multiprocessing.get_context("fork")
    barrier = fork.Barrier(PROCESSES, timeout=20)

    def come(number):
        found = []
        for place in range(ROUNDS):
            barrier.wait()
            found.append(claim_card(tmp_path / str(place) / CARD, {"project": f"{number}", "padding": "." * 100_000}))
        (tmp_path / f"{number}.json").write_text(json.dumps([card["project"] for card in found]))

    came = [fork.Process(target=come, args=(number,)) for number in range(PROCESSES)]
    for one in came:
        one.start()
    for one in came:
        one.join()

    assert [one.exitcode for one in came] == [0] * PROCESSES
    said = [json.loads((tmp_path / f"{number}.json").read_text()) for number in range(PROCESSES)]
    assert all(one == said[0] for one in said)
    for place, owner in enumerate(said[0]):
        assert [path.name for path in (tmp_path / str(place)).iterdir()] == [CARD]
        assert read_card(tmp_path / str(place) / CARD)["project"] == owner
