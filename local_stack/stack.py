"""The stack: broker and store started once, remembered, and ended with everything that was registered beside them.

An address in the environment (`KAFKA_BOOTSTRAP_SERVERS`, `REDIS_URL`) wins: then nothing is started in its place.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from local_stack import broker, store
from local_stack.ports import usual_or_free
from local_stack.process import Member, end, find, identify
from local_stack.server import Server
from local_stack.state import FOLDER, Addresses, add, lock, read, register, write

__all__ = ["Addresses", "Status", "down", "register", "status", "up"]


class Status(BaseModel):
    """What a folder's stack is: its addresses, the processes that run, and those that have ended by themselves."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    addresses: Addresses | None
    running: tuple[Member, ...]
    ended: tuple[Member, ...]


def up(folder: Path = FOLDER) -> Addresses:
    """Make sure that a broker and a store run, and give their addresses; quick when they run already."""
    with lock(folder):
        started: list[Server] = []
        kafka = os.environ.get("KAFKA_BOOTSTRAP_SERVERS") or _running(folder, "broker")
        if not kafka:
            started.append(_start(broker.Broker(folder / "broker", usual_or_free(broker.USUAL_PORT)), folder))
            kafka = started[-1].address
        url = os.environ.get("REDIS_URL") or _running(folder, "store")
        if not url:
            started.append(_start(store.Store(folder / "store", usual_or_free(store.USUAL_PORT)), folder))
            url = started[-1].address
        for server in started:
            server.wait_ready()
        addresses = Addresses(kafka_bootstrap_servers=kafka, redis_url=url)
        write(folder, read(folder).model_copy(update={"addresses": addresses}))
        return addresses


def down(folder: Path = FOLDER) -> tuple[Member, ...]:
    """End every process of the stack, the last started first, and remove its data; gives those that were running."""
    with lock(folder):
        members = read(folder).members
        ended = tuple(member for member in reversed(members) if end(member))
        if folder.exists():
            shutil.rmtree(folder)
        return ended


def status(folder: Path = FOLDER) -> Status:
    """What runs now; starts and ends nothing."""
    state = read(folder)
    running = tuple(member for member in state.members if find(member))
    ended = tuple(member for member in state.members if member not in running)
    return Status(addresses=state.addresses, running=running, ended=ended)


def _start(server: Server, folder: Path) -> Server:
    """Start a server and remember it before it answers, so that `down` ends it even after an interrupted `up`."""
    server.start()
    add(folder, identify(server.name, server.pid, server.log, server.address))
    return server


def _running(folder: Path, name: str) -> str | None:
    """The address of a server that runs since an earlier `up`; what has ended by itself is forgotten."""
    state = read(folder)
    kept = tuple(member for member in state.members if member.name != name or find(member))
    if kept != state.members:
        write(folder, state.model_copy(update={"members": kept}))
    return next((member.address for member in kept if member.name == name), None)
