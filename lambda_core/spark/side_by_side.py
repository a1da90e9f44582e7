"""Work on several tables at the same time: while one waits for its driver, another one's tasks run."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from lambda_core.context import RunContext

Item = TypeVar("Item")
Result = TypeVar("Result")


def side_by_side(context: RunContext, work: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """Return `work(item)` of every item, in the items' order; `spark.side_by_side` of them run at a time.

    What one item's work raises is raised here once the work that has begun has ended; what has not begun is given up.
    """
    _ = context.spark, context.tables  # one session, built before the threads that share it
    with ThreadPoolExecutor(context.environment.spark.side_by_side, thread_name_prefix="table") as pool:
        begun = [pool.submit(work, item) for item in items]
        try:
            return [one.result() for one in begun]
        finally:
            for one in begun:
                one.cancel()
