"""The commands of the local stack: `python -m local_stack up | down | status`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from filelock import Timeout

from local_stack import stack
from local_stack.errors import StackError
from local_stack.state import FOLDER

app = typer.Typer(add_completion=False, no_args_is_help=True, help="A real broker and a real store on this machine.")
Folder = Annotated[Path, typer.Option(help="Where data, logs and the state of the stack are.")]


@app.command()
def up(folder: Folder = FOLDER) -> None:
    """Start broker and store where they do not run yet, and print their addresses."""
    before = {member.pid for member in stack.status(folder).running}
    addresses = stack.up(folder)
    for member in stack.status(folder).running:
        print(
            f"{member.name:<8} {'runs already' if member.pid in before else 'started'}, pid {member.pid}, {member.log}"
        )
    for name, value in addresses.as_environment().items():
        print(f"export {name}={value}")


@app.command()
def down(folder: Folder = FOLDER) -> None:
    """End every process of the stack, the last started first, and remove its data."""
    ended = stack.down(folder)
    for member in ended:
        print(f"{member.name:<8} ended, pid {member.pid}")
    if not ended:
        print("nothing was running")


@app.command()
def status(folder: Folder = FOLDER) -> None:
    """Show what runs; the exit code is 1 when a process has ended by itself, 3 when nothing runs."""
    found = stack.status(folder)
    for member in found.running:
        print(f"{member.name:<8} runs, pid {member.pid}, {member.address or 'no address'}, {member.log}")
    for member in found.ended:
        print(f"{member.name:<8} has ended by itself: read {member.log}")
    if not found.running and not found.ended:
        print("nothing is running; `make up` starts broker and store")
    raise typer.Exit(1 if found.ended else 0 if found.running else 3)


def main() -> None:
    """Run a command; what can go wrong ends in one message, not in a traceback."""
    try:
        app()
    except StackError as error:
        raise SystemExit(f"local stack: {error}") from error
    except Timeout as error:
        raise SystemExit(f"local stack: another command holds {error.lock_file}; wait for it to end") from error


if __name__ == "__main__":
    main()
