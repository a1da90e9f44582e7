"""Milliseconds from sending an event until a polling client reads it: our speed layer against a stock `foreachBatch` query.

Both run the whole time, each over a topic of its own with the same events, and one stands still while the other is
measured. Ours is asked for over at least two of its batch boundaries. The peer aggregates each batch by shop and tile
and adds what it found to Redis; when one of its batches is repeated after a crash, it counts it twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from benchmarks.harness import Row, arguments, publish
from benchmarks.systems import peers
from benchmarks.systems.events import HOUR_MS, PARTITIONS, T0, expected
from benchmarks.systems.ours import Ours
from benchmarks.systems.processes import LOGS, Servers, cpu_s_of, servers
from benchmarks.systems.watching import Seen, fed_and_seen
from lambda_core.repositories.log import KafkaTopics

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

RATES = (200, 2_000, 5_000)
FULL = [("realtime 30 seconds", 70.0, RATES), ("realtime 60 seconds", 125.0, RATES[-1:])]
QUICK = [("realtime 10 seconds", 25.0, RATES[1:2])]
"""Trigger, how long ours is measured with it, and at which rates: over at least two batch boundaries each."""
WARM_S = 8.0
PEER_S = 15.0
STOCK = 1
"""The number of the peer's database in the store."""
AROUND_S = (1.0, 4.0)
"""An event belongs to a boundary when it was sent so long before or after it."""


@dataclass(frozen=True)
class Phase:
    """One system, fed at one rate: the waits (when sent in seconds, milliseconds), boundaries, processor shares."""

    waits: list[tuple[float, float]]
    boundaries: list[float]
    cpu: dict[str, float]

    def steady(self) -> list[float]:
        """Return the waits of events that were sent away from boundaries."""
        return [wait for sent, wait in self.waits if not any(self._is_near(sent, one) for one in self.boundaries)]

    def longest(self) -> list[float]:
        """Return the longest wait at each boundary."""
        near = [[wait for sent, wait in self.waits if self._is_near(sent, one)] for one in self.boundaries]
        return [max(waits) for waits in near if waits]

    def late_s(self, limit_ms: float) -> list[float]:
        """Return, for each boundary, for how long what was sent waited longer than the limit."""
        found = []
        for one in self.boundaries:
            late = [sent for sent, wait in self.waits if wait > limit_ms and self._is_near(sent, one)]
            found.append(max(late) - min(late) if late else 0.0)
        return found

    @staticmethod
    def _is_near(sent: float, boundary: float) -> bool:
        return -AROUND_S[0] <= sent - boundary <= AROUND_S[1]


@dataclass
class Run:
    """A system while it is measured: the numbers of the events it was sent so far."""

    system: Ours | peers.Peer
    url: str
    sent: int = 0

    def feed(self, own: Servers, rate: int, seconds: float) -> Phase:
        """Feed at this rate, after a moment to warm up."""
        self._seen(own, rate, WARM_S)
        before = self._cpu_s(own)
        seen = self._seen(own, rate, seconds)
        shares = {name: (after - before[name]) / seconds for name, after in self._cpu_s(own).items()}
        first, last = min(seen.waits)[0], max(seen.waits)[0]
        return Phase(seen.waits, [one for one in self._boundaries() if first < one < last], shares)

    def warm(self, own: Servers) -> None:
        """Send a few events and wait until the first processes of the day have answered them."""
        for _ in range(6):
            if not self._seen(own, 100, 5.0).unseen:
                return
            for program in self.system.programs():
                program.refuse_ended()
        raise RuntimeError(f"{self.system.name}: expected answers after three minutes, found none; see {LOGS}")

    def stand(self) -> None:
        """Let its processes stand still."""
        for program in self.system.programs():
            program.suspend()

    def go_on(self) -> None:
        """Let them go on."""
        for program in self.system.programs():
            program.resume()

    def is_equal(self) -> bool:
        """Tell whether it answers for every shop what a loop over all events says."""
        wanted = expected(range(self.sent), T0 + HOUR_MS // 2)
        shops = sorted(wanted)
        return self.system.reader.features(shops, T0 + HOUR_MS // 2) == [wanted[shop] for shop in shops]

    def _seen(self, own: Servers, rate: int, seconds: float) -> Seen:
        kind = "ours" if isinstance(self.system, Ours) else "peer"
        seen = fed_and_seen(kind, self.url, (own.kafka, self.system.topic, self.sent, rate, seconds))
        self.sent = seen.following
        return seen

    def _boundaries(self) -> Iterator[float]:
        if isinstance(self.system, Ours):
            for file in (self.system.checkpoint / "commits").glob("[0-9]*"):
                yield file.stat().st_mtime

    def _cpu_s(self, own: Servers) -> dict[str, float]:
        programs = {program.name: program.cpu_s() for program in self.system.programs()}
        return {**programs, **{name: cpu_s_of(pid) for name, pid in own.pids.items()}}


def main() -> None:
    """Measure, compare the answers, print and write the rows."""
    chosen = arguments(__doc__ or "")
    plans = QUICK if chosen.quick else FULL
    rows: list[Row] = []
    with servers() as own:
        KafkaTopics(own.kafka).create({Ours.topic: PARTITIONS, "stock.orders": PARTITIONS})
        other = Run(peers.stock(own, STOCK), peers.database_of(own, STOCK))
        try:
            other.system.start()
            other.warm(own)
            for trigger, seconds, rates in plans:
                other.stand()
                rows += measured(own, trigger, seconds, rates, other)
                other.go_on()
        finally:
            other.system.stop()
    publish(rows, chosen.json)


def measured(own: Servers, trigger: str, seconds: float, rates: Sequence[int], other: Run) -> list[Row]:
    """Return the rows of one trigger: ours and the peer in turn, at each rate."""
    phases: list[tuple[int, Phase, Phase]] = []
    run = Run(Ours(own, trigger), own.redis, MEASURED.get("ours", 0))
    try:
        run.system.start()
        run.warm(own)
        for rate in rates:
            ours = run.feed(own, rate, seconds)
            run.stand()
            other.go_on()
            phases.append((rate, ours, other.feed(own, rate, min(PEER_S, seconds))))
            other.stand()
            run.go_on()
        other.go_on()
        equal = run.is_equal() and other.is_equal()
        other.stand()
    finally:
        run.system.stop()
    MEASURED["ours"] = run.sent
    show(trigger, phases)
    return [row for rate, ours, peer in phases for row in rows_of(f"{rate:,} events/s, {trigger}", ours, peer, equal)]


MEASURED: dict[str, int] = {}
"""How many events each system's topic holds: a system that is started anew goes on behind them."""


def rows_of(case: str, ours: Phase, peer: Phase, equal: bool) -> list[Row]:  # noqa: FBT001 - as the row has it
    """Return the rows of one rate: the median, the 99th percentile, and the longest wait."""
    rows = []
    for name, share in (("p50", 0.5), ("p99", 0.99), ("longest", 1.0)):
        own, theirs = (quantile([wait for _, wait in one.waits], share) for one in (ours, peer))
        rows.append(Row(f"{name}, {case}", own, "foreachBatch", theirs, theirs / own, "ms", equal))
    return rows


def quantile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that this share of them does not exceed (nearest rank); NaN of none."""
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)] if ordered else float("nan")


def show(trigger: str, phases: Sequence[tuple[int, Phase, Phase]]) -> None:
    """Print steady state and boundaries apart, and the share of a core that each process took."""
    table = Table(
        "events/s", "steady p50/p99 ms", "boundaries: longest wait ms", "late (> 25 ms) s", "cores", title=trigger
    )
    for rate, ours, peer in phases:
        steady = ours.steady()
        table.add_row(
            f"{rate:,}",
            f"{quantile(steady, 0.5):.1f} / {quantile(steady, 0.99):.1f}",
            _listed(ours.longest()),
            _listed(ours.late_s(25.0), 2),
            f"ours {_shares(ours.cpu)}; peer {_shares(peer.cpu)}",
        )
    Console(width=160).print(table)


def _listed(values: Sequence[float], digits: int = 0) -> str:
    return ", ".join(f"{value:.{digits}f}" for value in values)


def _shares(cpu: dict[str, Any]) -> str:
    return ", ".join(f"{name} {share:.2f}" for name, share in cpu.items())


if __name__ == "__main__":
    main()
