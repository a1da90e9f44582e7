"""What the stack remembers between commands: where its servers are, and every process that is to be ended with it."""

from __future__ import annotations

from pathlib import Path

from filelock import FileLock
from pydantic import BaseModel, ConfigDict, ValidationError

from local_stack.errors import StackError
from local_stack.jars import ROOT
from local_stack.process import Member, identify

FOLDER = ROOT / "build" / "stack"
LOCK_SECONDS = 180.0


class StateError(StackError):
    """The state file of the stack cannot be read.

    Operator action: end the processes whose logs are in the folder by hand, then delete the folder.
    """


class Addresses(BaseModel):
    """Where broker and store are, as clients take it; the fields in capitals are the names in the environment."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kafka_bootstrap_servers: str
    redis_url: str

    def as_environment(self) -> dict[str, str]:
        """The addresses under the names that every process of the project reads."""
        return {name.upper(): value for name, value in self.model_dump().items()}


class State(BaseModel):
    """The addresses that were given out, and the processes in the order of their start."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    addresses: Addresses | None = None
    members: tuple[Member, ...] = ()


def lock(folder: Path) -> FileLock:
    """The lock that one command at a time holds, beside the folder because `down` removes the folder."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(folder.parent / f"{folder.name}.lock", timeout=LOCK_SECONDS)


def read(folder: Path) -> State:
    """The state of a folder; empty when nothing was started there."""
    path = folder / "state.json"
    if not path.exists():
        return State()
    try:
        return State.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise StateError(f"{path}: expected the state of a stack, found something else ({error})") from error


def write(folder: Path, state: State) -> None:
    """Replace the state in one step, so that a crash leaves the old or the new one."""
    folder.mkdir(parents=True, exist_ok=True)
    new = folder / "state.json.new"
    new.write_text(state.model_dump_json(indent=2), encoding="utf-8")
    new.replace(folder / "state.json")


def register(name: str, pid: int, log: Path, address: str = "", folder: Path = FOLDER) -> Member:
    """Put a running process into the care of the stack: `down` ends it, before what was started earlier."""
    member = identify(name, pid, log, address)
    with lock(folder):
        add(folder, member)
    return member


def add(folder: Path, member: Member) -> None:
    """Remember one more process; the caller holds the lock."""
    state = read(folder)
    write(folder, state.model_copy(update={"members": (*state.members, member)}))
