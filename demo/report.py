"""The demo's report: for people on the screen, for programs in `build/demo-report.json`.

`sources` are the oracle's own accounts (law 8), `partitions` the models' figures as the evaluation recorded them; all
comparisons are of equal bits. Counts are counts, `share_...` are between 0 and 1, times are milliseconds or seconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table

from demo.freshness import Freshness
from demo.oracle.accounts import ACCOUNT, Account
from demo.oracle.comparing import Comparison
from demo.oracle.training import TrainingComparison
from demo.replay import Replayed

FRESH_AT_LEAST = 200
FROM_BOTH_AT_LEAST = 0.9
REASONS = {
    "in_flight": "earlier events were still on their way",
    "edge": "on the edge: a tile was taken whole",
    "copy": "copies of a message have no row of their own",
    "no_view": "no view answered in time",
}
"""Why an answer is not the training row, as people read it."""
AUC_GAIN_AT_LEAST, LOG_LOSS_DROP_AT_LEAST = 0.02, 0.05


@dataclass
class Findings:
    """Everything that the report tells.

    Attributes:
        partitions: partition -> metrics by name, as the evaluation recorded them.
        disagreements: sentences where the product's own accounts are not the oracle's.
        views: batch views that were flipped to while messages were sent; views_at_least: how many it had to be.
        kills: what was killed on purpose, and when; duplicated_updates: updates that are twice in the topic.
        seconds: whole duration; stages: seconds a step, in order.
    """

    accounts: Mapping[str, Account]
    comparison: Comparison
    training: TrainingComparison
    freshness: Freshness
    replayed: Replayed
    partitions: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    disagreements: Sequence[str] = ()
    trigger: str = ""
    views: int = 0
    views_at_least: int = 0
    kills: Sequence[str] = ()
    duplicated_updates: int | None = None
    seconds: float = 0.0
    stages: Mapping[str, float] = field(default_factory=dict)


def build(found: Findings) -> dict[str, Any]:
    """Return the report as it is written: the keys that programs rely on first, then what explains them."""
    compared, training = found.comparison, found.training
    return {
        "sources": {name: {key: getattr(account, key) for key in ACCOUNT} for name, account in found.accounts.items()},
        "partitions": {name: dict(figures) for name, figures in found.partitions.items()},
        "scored": compared.scored,
        "vectors_compared": compared.vectors_compared,
        "values_compared": compared.values_compared,
        "differences": compared.differences,
        "edge": compared.edge,
        "edge_values": compared.edge_values,
        "edge_differences": compared.edge_differences,
        "from_both_views": compared.from_both_views,
        "equal_to_training_row": training.equal,
        "freshness_ms": found.freshness.as_report(),
        "trigger": found.trigger,
        "seconds": round(found.seconds, 1),
        "share_from_both_views": _share(compared.from_both_views, compared.vectors_compared),
        "share_equal_to_training_row": _share(training.equal, training.compared),
        "compared_to_training_row": training.compared,
        "not_equal_to_training_row": dict(training.reasons),
        "training_rows_differing": training.rows_differing,
        "edge_equal": compared.edge_equal,
        "edge_against_rule": compared.edge_against_rule,
        "not_compared": dict(compared.not_compared),
        "unanswered": compared.unanswered,
        "unknown": compared.unknown,
        "repeated_scores": compared.repeats,
        "examples": [asdict(example) for example in (*compared.examples, *training.examples)],
        "planted": {source: dict(kinds) for source, kinds in found.replayed.kinds.items()},
        "replay_rate": round(found.replayed.rate, 1),
        "views": found.views,
        "kills": list(found.kills),
        "duplicated_updates": found.duplicated_updates,
        "stages": {name: round(seconds, 1) for name, seconds in found.stages.items()},
        "problems": problems(found),
    }


def problems(found: Findings) -> list[str]:
    """Return a sentence for everything that must not be; an empty list is the demo's success."""
    compared, training = found.comparison, found.training
    both = _share(compared.from_both_views, compared.vectors_compared)
    checks = [
        (compared.vectors_compared == 0, "no scored vector was compared"),
        (compared.differences > 0, f"{compared.differences} values differ from what the raw records give"),
        (compared.edge_against_rule > 0, f"{compared.edge_against_rule} groups say edge, or do not, against its rule"),
        (compared.unanswered > 0, f"{compared.unanswered} departures were never scored"),
        (bool(compared.not_compared), f"answers without a view: {dict(compared.not_compared)}"),
        (compared.unknown > 0, f"{compared.unknown} scores belong to no message in raw"),
        (
            compared.vectors_compared > 0 and both < FROM_BOTH_AT_LEAST,
            f"only {both:.1%} of the vectors hold events from both views",
        ),
        (training.reasons["unexplained"] > 0, f"{training.reasons['unexplained']} vectors differ without a reason"),
        (training.rows_differing > 0, f"{training.rows_differing} training rows differ from the plain formula"),
        (found.replayed.failed > 0, f"{found.replayed.failed} messages were refused: {found.replayed.first_error}"),
        (
            len(found.freshness.milliseconds) < FRESH_AT_LEAST,
            f"freshness: fewer than {FRESH_AT_LEAST} events were seen",
        ),
        (
            found.duplicated_updates == 0 and any(kill.startswith("speed") for kill in found.kills),
            "the query was killed, and yet no update came twice: nothing was under way",
        ),
        (
            found.views < found.views_at_least,
            f"expected {found.views_at_least} batch views published while messages were sent, found {found.views}",
        ),
    ]
    inexact = [f"{name}: {account} does not add up" for name, account in found.accounts.items() if not account.exact]
    weak = [
        f"model of {name}: expected an AUC of {AUC_GAIN_AT_LEAST:g} and a log loss of {LOG_LOSS_DROP_AT_LEAST:.0%} better "
        f"than the baseline's, beyond chance; found {one['auc_gain']:.4f} and {one['log_loss_drop']:.1%}"
        for name, one in found.partitions.items()
        if not _is_worth_it(one)
    ]
    return [sentence for wrong, sentence in checks if wrong] + [*inexact, *found.disagreements, *weak]


def _is_worth_it(figures: Mapping[str, float]) -> bool:
    """Tell whether a model is better than its baseline by as much as it must be, and the bootstrap agrees."""
    enough = figures["auc_gain"] >= AUC_GAIN_AT_LEAST and figures["log_loss_drop"] >= LOG_LOSS_DROP_AT_LEAST
    return enough and figures["auc_gain_low"] > 0 and figures["log_loss_drop_low"] > 0


def write(report: Mapping[str, Any], path: Path) -> None:
    """Write the report as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(orjson.dumps(report, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS))


def show(report: Mapping[str, Any], commands: Sequence[tuple[str, str]], console: Console | None = None) -> None:
    """Print the report for people; it ends with commands to go on with, each beside what it shows."""
    console = console or Console()
    console.print(_accounts(report["sources"], report["planted"]))
    if report["partitions"]:
        console.print(_models(report["partitions"]))
    console.print(_answers(report))
    for example in report["examples"]:
        console.print(
            f"  {example['prediction_id']} {example['what']}: {example['expected']!r} != {example['found']!r}"
        )
    if report["problems"]:
        console.print("\n".join(["[bold red]Not as it must be:[/]", *(f"  {line}" for line in report["problems"])]))
    else:
        console.print("[bold green]Every answer equals what the raw records give, to the last bit.[/]")
    console.print("\nThe system is still running. Go on with:")
    for command, meaning in commands:
        console.print(f"  {meaning}\n    [bold]{command}[/]", soft_wrap=True, highlight=False)


def _accounts(sources: Mapping[str, Mapping[str, int]], planted: Mapping[str, Mapping[str, int]]) -> Table:
    twice, broken = (sum(kinds.get(kind, 0) for kinds in planted.values()) for kind in ("duplicate", "poison"))
    table = Table(
        title="Nothing unaccounted: rows in = raw = accepted + quarantined + duplicates",
        caption=f"planted in the replay: {twice} messages sent twice, {broken} broken",
    )
    table.add_column("source")
    for name in ACCOUNT:
        table.add_column(name.replace("_", " "), justify="right")
    for source, account in sources.items():
        table.add_row(source, *(f"{account[name]:,}" for name in ACCOUNT))
    return table


def _models(partitions: Mapping[str, Mapping[str, float]]) -> Table:
    table = Table(
        title="One model a partition, beside its baseline on the same held-out rows",
        caption="gain and drop: the lower end of a paired bootstrap's interval",
    )
    table.add_column("partition")
    for name in ("AUC", "baseline", "gain", "log loss", "baseline", "drop"):
        table.add_column(name, justify="right")
    for partition, one in partitions.items():
        table.add_row(
            partition,
            f"{one['auc']:.4f}",
            f"{one['baseline_auc']:.4f}",
            f"{one['auc_gain_low']:.4f}",
            f"{one['log_loss']:.4f}",
            f"{one['baseline_log_loss']:.4f}",
            f"{one['log_loss_drop_low']:.1%}",
        )
    return table


def _answers(report: Mapping[str, Any]) -> Table:
    reasons = "\n".join(
        f"{count:,} {REASONS.get(reason, reason)}" for reason, count in report["not_equal_to_training_row"].items()
    )
    fresh = report["freshness_ms"]
    table = Table(title="Every answer, as it was when it was given, beside the oracle", show_header=False)
    rows = {
        "departures scored": f"{report['scored']:,}",
        "vectors compared": f"{report['vectors_compared']:,} ({report['values_compared']:,} values)",
        "differences": f"{report['differences']:,}",
        "of them on the edge": f"{report['edge']:,} ({report['edge_differences']:,} differences from the edge's rule)",
        "from both views": f"{report['from_both_views']:,} ({report['share_from_both_views']:.1%})",
        "equal to the training row": f"{report['equal_to_training_row']:,} ({report['share_equal_to_training_row']:.1%})",
        "not equal, by reason": reasons or "none",
        "freshness": f"p50 {fresh['p50']} ms, p99 {fresh['p99']} ms over {fresh['events']} events",
        "trigger": f"{report['trigger']}, {report['replay_rate']:,} messages a second",
        "duplicated updates": f"{report['duplicated_updates'] or 0:,}",
        "views published meanwhile": f"{report['views']}",
        "kills": ", ".join(report["kills"]) or "none",
        "seconds": f"{report['seconds']:,}",
    }
    for name, value in rows.items():
        table.add_row(name, value)
    return table


def _share(part: int, whole: int) -> float:
    return round(part / whole, 6) if whole else 0.0
