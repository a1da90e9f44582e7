import io
import json
from collections import Counter
from dataclasses import replace

import pytest
from rich.console import Console

from demo import report
from demo.freshness import Freshness
from demo.oracle.accounts import Account
from demo.oracle.comparing import Comparison, Difference
from demo.oracle.training import TrainingComparison
from demo.replay import Replayed

KEYS = {
    "sources", "partitions", "scored", "vectors_compared", "values_compared", "differences", "edge", "edge_values",
    "edge_differences", "from_both_views", "equal_to_training_row", "freshness_ms", "trigger", "seconds",
}  # fmt: skip
FIGURES = {
    "auc": 0.9, "baseline_auc": 0.85, "auc_gain": 0.05, "auc_gain_low": 0.04,
    "log_loss": 0.3, "baseline_log_loss": 0.35, "log_loss_drop": 0.14, "log_loss_drop_low": 0.12,
}  # fmt: skip
COMMANDS = [("one", "first"), ("two", "second"), ("three", "third")]


@pytest.fixture
def sound():
    compared = Comparison(scored=10, vectors_compared=9, values_compared=90, edge=1, edge_values=10, from_both_views=9)
    training = TrainingComparison(compared=10, equal=8)
    training.reasons.update({"in_flight": 1, "edge": 1})
    return report.Findings(
        accounts={"departures": Account(12, 12, 10, 1, 1)},
        comparison=compared,
        training=training,
        freshness=Freshness(tuple(float(n) for n in range(200)), 0),
        replayed=Replayed(sent={"departures": 12}, kinds={"departures": {"record": 10, "duplicate": 1, "poison": 1}}),
        partitions={"JFK": FIGURES},
        trigger="realtime 30 seconds",
        seconds=12.34,
    )


def test_the_report_has_the_keys_that_programs_rely_on(sound, tmp_path):
    report.write(report.build(sound), tmp_path / "build" / "report.json")
    read = json.loads((tmp_path / "build" / "report.json").read_text())

    assert set(read) >= KEYS
    assert read["sources"]["departures"] == {
        "rows_in": 12, "raw": 12, "accepted": 10, "quarantined": 1, "duplicates": 1,
    }  # fmt: skip
    assert (read["freshness_ms"]["p50"], read["freshness_ms"]["p99"]) == (100.0, 198.0)
    assert (read["equal_to_training_row"], read["share_equal_to_training_row"]) == (8, 0.8)
    assert read["problems"] == []


def test_it_ends_with_the_commands_to_go_on_with(sound):
    screen = io.StringIO()
    report.show(report.build(sound), COMMANDS, Console(file=screen, width=80))
    lines = [line.strip() for line in screen.getvalue().splitlines() if line.strip()]

    assert lines[-6:] == ["first", "one", "second", "two", "third", "three"]
    assert any("0.0400" in line and "12.0%" in line for line in lines)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"comparison": Comparison(vectors_compared=9, from_both_views=9, differences=1)}, "differ"),
        (
            {"comparison": Comparison(vectors_compared=9, from_both_views=9, not_compared=Counter(default=1))},
            "without a view",
        ),
        ({"kills": ["speed after 3 of 9 messages"], "duplicated_updates": 0}, "no update came twice"),
        ({"views": 1, "views_at_least": 2}, "expected 2 batch views published"),
        ({"comparison": Comparison(vectors_compared=9, from_both_views=9, edge_against_rule=1)}, "against its rule"),
        ({"comparison": Comparison()}, "no scored vector"),
        ({"comparison": Comparison(vectors_compared=10, from_both_views=8)}, "both views"),
        ({"comparison": Comparison(vectors_compared=9, from_both_views=9, unanswered=1)}, "never scored"),
        ({"training": TrainingComparison(rows_differing=1)}, "training rows differ"),
        ({"freshness": Freshness((1.0,), 0)}, "freshness"),
        ({"replayed": Replayed(failed=1)}, "refused"),
        ({"accounts": {"weather": Account(2, 1, 1, 0, 0)}}, "weather"),
        ({"partitions": {"JFK": {**FIGURES, "auc_gain": 0.019}}}, "JFK"),
        ({"partitions": {"JFK": {**FIGURES, "log_loss_drop": 0.049}}}, "JFK"),
        ({"partitions": {"JFK": {**FIGURES, "auc_gain_low": 0.0}}}, "JFK"),
        ({"partitions": {"JFK": {**FIGURES, "log_loss_drop_low": -0.01}}}, "JFK"),
        ({"disagreements": ["arrivals.raw: expected 1"]}, "arrivals.raw"),
    ],
)
def test_what_must_not_be_is_said(sound, change, word):
    problems = report.build(replace(sound, **change))["problems"]

    assert len(problems) == 1
    assert word in problems[0]


def test_a_difference_is_shown_with_its_place(sound):
    sound.comparison.examples.append(Difference("t/0/1", "a__b_1h", 1.5, 2.5))
    screen = io.StringIO()
    report.show(report.build(sound), COMMANDS, Console(file=screen, width=120))

    assert "t/0/1 a__b_1h: 1.5 != 2.5" in screen.getvalue()


def test_answers_on_the_edge_are_shown_with_their_values_and_differences(sound):
    compared = replace(sound.comparison, edge=2778, edge_values=86118, edge_differences=1)
    screen = io.StringIO()
    report.show(report.build(replace(sound, comparison=compared)), COMMANDS, Console(file=screen, width=120))

    assert any(
        "of them on the edge" in line and "2,778 (1 differences from the edge's rule)" in line
        for line in screen.getvalue().splitlines()
    )
