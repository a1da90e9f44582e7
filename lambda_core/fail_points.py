"""Named places at which a process can be made to end at once, before and after each commit: for crash runs alone.

    MAINSTEM_FAIL_AT=merge.after_apply:17      SIGKILL of the own process when it passes this point for the 17th time

`arm` is called where a process makes a context; without the variable `passed` compares with None and returns.
"""

from __future__ import annotations

import os
import signal
import sys

from lambda_core.errors import ConfigError

VARIABLE = "MAINSTEM_FAIL_AT"
POINTS = {
    "merge.before_apply": "updates were read; nothing of them is in Redis",
    "merge.after_apply": "they are in Redis; their positions are not kept",
    "merge.after_keep": "their positions are kept",
    "score.before_stand": "requests were scored; no score is kept",
    "score.after_stand": "the first scores stand in Redis; none is on the topic",
    "score.after_send": "they are on the topic; the positions of their requests are not kept",
    "score.after_keep": "the positions are kept",
    "raw.before_commit": "a batch of a topic was read; the table does not have it",
    "raw.after_commit": "the table has it; the checkpoint does not say so",
    "ingest.before_commit": "a batch was read; the raw table does not have it",
    "ingest.after_commit": "the raw table has it; nobody was told",
    "publish.before_write": "the tiles are written; a generation's note stands, none of its batch values",
    "publish.after_write": "its batch values are written; the note does not say so",
    "publish.before_mark": "the publication is recorded; Redis does not have the epoch's mark of it",
    "publish.before_flip": "the mark is set; the pointer names the view before",
    "publish.after_flip": "the pointer names the new view; nothing was let go",
    "publish.after_retire": "what no pointer names has an expiry",
}
"""Every point -> what is done by then, and what is not."""


class _Armed:
    """The point at which this process is to end, and how often it is still to be passed."""

    text = ""
    point: str | None = None
    left = 0


def arm(text: str) -> None:
    """Take `<point>:<n>` as the place to end at; an empty text names none. The same text again goes on counting.

    (A process that follows requests makes a context for each.)

    Raises:
        ConfigError: when there is no such point, or n is no number from 1 on.
    """
    point, _, count = text.partition(":")
    if text and (point not in POINTS or not count.isdecimal() or int(count) < 1):
        raise ConfigError(
            f"{VARIABLE}: expected <point>:<n> with a point out of {', '.join(POINTS)} and n from 1 on; found {text!r}"
        )
    if text != _Armed.text:
        _Armed.text, _Armed.point, _Armed.left = (text, point, int(count)) if text else ("", None, 0)


def passed(point: str) -> None:
    """End the process here, if that was asked for; nothing of it can finish what it was doing."""
    if point != _Armed.point:
        return
    _Armed.left -= 1
    if _Armed.left == 0:
        os.write(sys.stderr.fileno(), f"fail point {point}: this process ends here\n".encode())
        os.kill(os.getpid(), signal.SIGKILL)
