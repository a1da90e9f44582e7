"""How each offline program works: on a small folder, then on the measured one. Only the standard library, for any environment."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def work_warmly(folders: Sequence[str], made: str, work: Callable[[Path, Path], object]) -> None:
    """Work on each folder in turn; say `warm` after each, and how many seconds the last one took, as JSON.

    Args:
        folders: the small one, then the measured one.
        made: the name of the folder, below each of them, for what is made; it is empty when `work` begins.
        work: is given the folder and the one for what it makes.
    """
    seconds = 0.0
    for folder in map(Path, folders):
        out = folder / made
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()
        begin = time.perf_counter()
        work(folder, out)
        seconds = time.perf_counter() - begin
        print("warm", flush=True)
    print(json.dumps({"seconds": seconds}))
