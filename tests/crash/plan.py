"""What goes wrong in a run, drawn from its seed: who is killed in which order, and at which passage of which fail point."""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import dataclass

from lambda_core.fail_points import POINTS

FIVE = ("speed", "merge", "score", "broker", "redis")
JOIN, LEAVE = "join", "leave"
OFTEN = {"merge": (20, 200), "score": (5, 40), "raw": (3, 8), "publish": (2, 2)}
"""The first word of a point -> between which passages of it its process ends; of publishing, after a whole publication."""
TOGETHER = 0.15
"""Share of the kills that come with the next one at the same time."""
LIVE_POINTS = tuple(point for point in POINTS if not point.startswith("ingest."))
"""Those of the points that a run passes: its sources are topics, and nothing is ingested offline."""
LAST_SECOND = 0.4
"""Share of Redis' kills after which it has lost the end of its file."""


@dataclass(frozen=True)
class Step:
    """One step of a run.

    Attributes:
        targets: who is killed, at the same time; or `join`, or `leave`: of a second merge worker.
        pause_s: how long all goes well before it, once everything works again.
        cut: bytes that Redis' append-only file loses at its end.
    """

    targets: tuple[str, ...]
    pause_s: float
    cut: int = 0


@dataclass(frozen=True)
class Plan:
    """All steps of a run, and each process's fail points, as `MAINSTEM_FAIL_AT` says them."""

    steps: tuple[Step, ...]
    points: dict[str, tuple[str, ...]]

    @property
    def kills(self) -> int:
        """Return how many kills there are."""
        return sum(len(step.targets) for step in self.steps if step.targets[0] in FIVE)


@dataclass(frozen=True)
class Scope:
    """What a plan is drawn from: who is killed, how often in all, and the fail points."""

    kills: int = 25
    pause_s: float = 4.0
    targets: tuple[str, ...] = FIVE
    points: tuple[str, ...] = LIVE_POINTS


def draw_plan(seed: int, scope: Scope) -> Plan:
    """Return a plan of so many kills, each of the targets about equally often, and of fail points."""
    draw = random.Random(f"plan {seed}")
    order = [scope.targets[number % len(scope.targets)] for number in range(scope.kills)]
    pause_s, points = scope.pause_s, scope.points
    draw.shuffle(order)
    steps: list[Step] = []
    while order:
        targets = (order.pop(0),)
        if order and order[0] not in targets and draw.random() < TOGETHER:
            targets += (order.pop(0),)
        cut = draw.randrange(1, 65_536) if "redis" in targets and draw.random() < LAST_SECOND else 0
        steps.append(Step(targets, draw.uniform(0.1, pause_s), cut))
    if scope.kills > len(FIVE):
        third = len(steps) // 3
        steps.insert(third, Step((JOIN,), draw.uniform(0.1, pause_s)))
        steps.insert(2 * third, Step((LEAVE,), draw.uniform(0.1, pause_s)))
    by_process = defaultdict(list)
    for point in draw.sample(points, len(points)):
        kind = point.partition(".")[0]
        process = {"raw": "speed", "publish": "batch"}.get(kind, kind)
        by_process[process].append(f"{point}:{draw.randint(*OFTEN[kind])}")
    return Plan(tuple(steps), {name: tuple(own) for name, own in by_process.items()})
