"""Listening: messages drive the batch stages, from a source's data to its features; a schedule sends the same messages.

Lives here: `chain` (what follows messages), `saying` (what is said of each step), `listen` (the loop over the topic),
`taking` (which messages are followed together), `schedule` (messages by the clock).
Reads: topic `<project>.chain`. Writes: the same, one message a step that was done; the stages write their tables.
Does not belong here: what a stage does (their own rooms), which stages there are (given by who starts the loop).
"""

from batch_layer.listening.chain import Ask, Chain
from batch_layer.listening.listen import Counts, listen
from batch_layer.listening.saying import Speaker
from batch_layer.listening.schedule import announcements

__all__ = ["Ask", "Chain", "Counts", "Speaker", "announcements", "listen"]
