"""Events a second, from a topic that was filled beforehand until every update is readable: our speed layer against peers.

Peers: stock PySpark (`foreachBatch`, once with all there is in one batch, once with batches of bounded size), quixstreams
and bytewax in environments of their own, two processes each. All keep the same windowed count, sum and maximum a shop, and
write them to a hash a shop in the same Redis; every value is compared with a loop over all events. Each system is
warmed with events of the same kind, stands still while the topic is filled, and is measured from then on.
"""

from __future__ import annotations

import statistics
import time
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from benchmarks.harness import Row, arguments, publish
from benchmarks.systems import peers
from benchmarks.systems.events import HOUR_MS, PARTITIONS, T0, expected
from benchmarks.systems.feeding import fill
from benchmarks.systems.ours import Ours
from benchmarks.systems.processes import LOGS, Servers, cpu_s_of, servers
from lambda_core.repositories.log import KafkaTopics
from local_stack.ports import LOOPBACK, free_port

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.systems.events import Features
    from benchmarks.systems.processes import Program

PATIENCE_S = 180.0
LOOK_S = 0.01
BOUNDED = 10_000
"""Records a batch of the stock query whose batches are bounded."""


@dataclass(frozen=True)
class Drain:
    """How long one system took, whether its answers were right, and its processor seconds by process."""

    seconds: float
    equal: bool
    cpu_s: dict[str, float]


def systems(own: Servers) -> list[Ours | peers.Peer]:
    """Return all systems over these servers, ours first."""
    addresses = [f"{LOOPBACK}:{free_port()}" for _ in range(PARTITIONS)]
    return [
        Ours(own),
        peers.stock(own, 1),
        peers.stock(own, 2, BOUNDED),
        peers.quixstreams(own, 3, PARTITIONS),
        peers.bytewax(own, 4, addresses),
    ]


def main() -> None:
    """Measure, compare the answers, print and write the rows."""
    chosen = arguments(__doc__ or "")
    warm, number, rounds = (20_000, 50_000, 1) if chosen.quick else (100_000, 300_000, 2)
    drains: dict[str, list[Drain]] = defaultdict(list)
    for _ in range(rounds):
        with servers() as own:
            for system in systems(own):
                KafkaTopics(own.kafka).create({system.topic: PARTITIONS})
                drains[system.name].append(drained(own, system, warm, number))
    show(drains, number)
    speeds = {name: number / statistics.median(one.seconds for one in own) for name, own in drains.items()}
    ours, equal = speeds["ours"], {name: all(one.equal for one in own) for name, own in drains.items()}
    rows = [
        Row(f"drained, {number:,} events", ours, name, speed, ours / speed, "events/s", equal["ours"] and equal[name])
        for name, speed in speeds.items()
        if name != "ours"
    ]
    publish(rows, chosen.json)


def drained(own: Servers, system: Ours | peers.Peer, warm: int, number: int) -> Drain:
    """Start a system, warm it, fill its topic while it stands still, and measure until all of it is readable."""
    moment = T0 + HOUR_MS // 2
    first, whole = expected(range(warm), moment), expected(range(warm + number), moment)
    try:
        fill(own.kafka, system.topic, 0, warm)
        system.start()
        await_all(system, first, moment)
        for program in system.programs():
            program.suspend()
        fill(own.kafka, system.topic, warm, warm + number)
        before, begin = cpu_s(own, system.programs()), time.perf_counter()
        for program in system.programs():
            program.resume()
        equal = await_all(system, whole, moment)
        seconds = time.perf_counter() - begin
        after = cpu_s(own, system.programs())
        return Drain(seconds, equal, {name: after[name] - was for name, was in before.items()})
    finally:
        system.stop()


def await_all(system: Ours | peers.Peer, wanted: dict[str, Features], moment: int) -> bool:
    """Wait until every shop has what it is to have; False when one has counted more, or is not there in time."""
    end = time.monotonic() + PATIENCE_S
    for shop, features in sorted(wanted.items()):
        while (found := features_of(system, shop, moment)) != features:
            if (found[0] or 0) > features[0] or time.monotonic() > end:
                print(f"{system.name}: {shop} expected {features}, found {found}; see {LOGS}")
                return False
            for program in system.programs():
                program.refuse_ended()
            time.sleep(LOOK_S)
    return True


def features_of(system: Ours | peers.Peer, shop: str, moment: int) -> Features:
    """Return what a client reads of a shop."""
    return system.reader.features([shop], moment)[0]


def cpu_s(own: Servers, programs: Sequence[Program]) -> dict[str, float]:
    """Return the processor seconds so far, by process."""
    servers_s = {name: cpu_s_of(pid) for name, pid in own.pids.items()}
    return {**{program.name: program.cpu_s() for program in programs}, **servers_s}


def show(drains: dict[str, list[Drain]], number: int) -> None:
    """Print of each system the seconds of each round, and microseconds of a processor an event, by process."""
    table = Table("system", "seconds", "processor, microseconds an event", "equal")
    for name, own in drains.items():
        cost = ", ".join(f"{part} {seconds / number * 1e6:.1f}" for part, seconds in own[-1].cpu_s.items())
        seconds = ", ".join(f"{one.seconds:.1f}" for one in own)
        table.add_row(name, seconds, cost, str(all(one.equal for one in own)))
    Console(width=160).print(table)


if __name__ == "__main__":
    main()
