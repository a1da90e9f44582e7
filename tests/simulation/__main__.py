"""Run the simulation: `python -m tests.simulation` (`make simulate`); `--seed N` tells what happens in one seed."""

from __future__ import annotations

import os
import resource
import sys
import time
from collections import Counter
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import nullcontext
from typing import Annotated

import typer

from tests.simulation.mutants import MUTANTS
from tests.simulation.sharded_mutants import SHARDED_MUTANTS
from tests.simulation.shards import ShardedWorld, few_slots
from tests.simulation.world import World, simulated

CHUNK = 100
MOST = 5_000
"""How many seeds a mutant may survive before it counts as not found."""


def _chunk(first: int, seeds: int, *, cluster: bool) -> tuple[int | None, Counter[str]]:
    if not cluster:
        return simulated(range(first, first + seeds))
    with few_slots():
        return simulated(range(first, first + seeds), ShardedWorld)


def _mutant(name: str) -> tuple[str, int | None]:
    with MUTANTS[name]() as world:
        return name, simulated(range(MOST), world)[0]


def _sharded_mutant(name: str) -> tuple[str, int | None]:
    with SHARDED_MUTANTS[name]():
        return name, simulated(range(MOST), ShardedWorld)[0]


def main(
    *,
    seeds: Annotated[int, typer.Option(help="How many seeds to run.")] = 10_000,
    first: Annotated[int, typer.Option(help="The first of them.")] = 0,
    seed: Annotated[int | None, typer.Option(help="Run this one alone, and tell what happens in it.")] = None,
    mutants: Annotated[
        bool, typer.Option("--mutants", help="Make every mistake, and say which seed finds it.")
    ] = False,
    cluster: Annotated[
        bool, typer.Option("--cluster", help="Over a cluster of two shards, in place of one Redis.")
    ] = False,
    processes: Annotated[int, typer.Option(help="How many processes share the work.")] = os.cpu_count() or 1,
) -> None:
    """Live through drawn days of merging, and hold every answer to the batch formula.

    A seed draws everything: events that are late, tied or doubled, crashes,
    lost replies, a Redis that goes back, clocks that step back, publications.
    The code is what runs in production; Redis, Kafka and tables are simulated.

    \b
    python -m tests.simulation             ten thousand days, on all cores
    python -m tests.simulation --seed 7    one day, told event by event
    python -m tests.simulation --mutants   breaks one rule at a time: found?
    python -m tests.simulation --cluster   any of these, over two shards

    Ends with 1 when a mistake is not found, or when a day fails; then it
    prints the command that lives through that day again.
    """
    if seed is not None:
        with few_slots() if cluster else nullcontext():
            _tell((ShardedWorld if cluster else World)(seed, tell=True))
        return
    begun = time.monotonic()
    with ProcessPoolExecutor(processes) as pool:
        if mutants:
            run, names = (_sharded_mutant, SHARDED_MUTANTS) if cluster else (_mutant, MUTANTS)
            survived = _try([pool.submit(run, name) for name in names])
        else:
            chunks = [
                pool.submit(_chunk, at, min(CHUNK, first + seeds - at), cluster=cluster)
                for at in range(first, first + seeds, CHUNK)
            ]
            survived = _sum(chunks, seeds, "--cluster " if cluster else "")
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    typer.echo(
        f"{time.monotonic() - begun:.0f} s, {used.ru_utime + used.ru_stime:.0f} s of processor time, {processes} processes"
    )
    sys.exit(1 if survived else 0)


def _tell(world: World) -> None:
    try:
        world.run()
    finally:
        typer.echo("\n".join(world.story or []))
    typer.echo(", ".join(f"{count} {what}" for what, count in sorted(world.seen.items())))


def _try(tried: list[Future[tuple[str, int | None]]]) -> list[str]:
    survived = []
    for future in as_completed(tried):
        name, seed = future.result()
        survived += [name] if seed is None else []
        typer.echo(f"{name.replace('_', ' '):55} {'NOT FOUND' if seed is None else f'found by seed {seed}'}")
    typer.echo(f"{len(tried) - len(survived)} of {len(tried)} mistakes found")
    return survived


def _sum(chunks: list, seeds: int, options: str) -> list[int]:
    failed, seen = [], Counter()
    with typer.progressbar(as_completed(chunks), length=len(chunks), label=f"{seeds} seeds") as progress:
        for future in progress:
            bad, counted = future.result()
            seen += counted
            failed += [] if bad is None else [bad]
    for bad in sorted(failed):
        typer.echo(f"seed {bad} fails; look at it with: python -m tests.simulation {options}--seed {bad}")
    typer.echo(", ".join(f"{count} {what}" for what, count in sorted(seen.items())))
    typer.echo(f"{seeds} seeds, {len(failed)} of {len(chunks)} parts with a failure")
    return failed


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(main)
    app()
