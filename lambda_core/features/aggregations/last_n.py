"""The values of the last N events: a list, ordered by event time, then by position."""

from heapq import nlargest
from operator import itemgetter
from typing import Any

from lambda_core.features.aggregations.components import decode_component, encode_component, text_sql
from lambda_core.features.aggregations.contract import INTEGER, Aggregation, Moment, Number, State, Value
from lambda_core.features.aggregations.latest import event_sql, moment_sql

_WIDTH = 4
_moment = itemgetter(0, 1, 2)


class LastN(Aggregation):
    """Values of the N events that are last by event time, then partition, then offset, the last one first.

    Null values are not seen; equal values of several events stand there several times. With fewer events the list is
    shorter, and without any there is none. A list is no number: it answers who asks, and is part of no model's vector.

    Args:
        number: the type of the values.
        last: how many (N), 1 to 32.
        expiry_ms: how long after its event a value is still part of the list, in milliseconds. None: for ever.

    Example:
        >>> last = LastN(Number("string"), last=2)
        >>> states = [last.lift(word, Moment(time, 0, 0)) for time, word in [(3, "c"), (1, "a"), (2, "b")]]
        >>> last.finish(last.merge(last.merge(states[0], states[1]), states[2]))
        ['c', 'b']
    """

    name = "last_n"
    numbers = ("integer", "decimal", "float", "string")
    takes = ("last", "expiry_ms")
    needs = ("last",)
    gives_list = True

    def __init__(self, number: Number = INTEGER, last: int = 1, expiry_ms: int | None = None) -> None:
        super().__init__(number)
        self.last, self.expiry_ms = last, expiry_ms
        self.parameters = (last,)
        self.components = ("iii" + number.code) * last
        self.plan = (f"last:{last}",)

    def lift(self, value: Any, moment: Moment) -> tuple[Any, ...]:
        """Return the state of one event: a list of one, of its moment and its value."""
        return ((*moment, value),)

    def combine(self, left: tuple[Any, ...], right: tuple[Any, ...]) -> tuple[Any, ...]:
        """Keep the events of the N latest moments."""
        return tuple(nlargest(self.last, left + right, key=_moment))

    def finish(self, state: State, t_ms: int = 0) -> Value:
        """Return the values, latest first, less those that expired; None when none is left."""
        if state is None:
            return None
        kept = [event for event in state if self.expiry_ms is None or t_ms - event[0] <= self.expiry_ms]
        return [self.in_unit(event[3]) for event in kept] or None

    def encode(self, state: State) -> list[str]:
        """Return the events as texts, four each, latest first; empty ones where there are fewer than N."""
        texts = [
            encode_component(code, part)
            for event in state or ()
            for code, part in zip(self.components, event, strict=False)
        ]
        return texts + [""] * (len(self.components) - len(texts))

    def decode(self, texts: list[str]) -> State:
        """Return the state that `encode` was given."""
        events = (texts[at : at + _WIDTH] for at in range(0, len(texts), _WIDTH) if texts[at] != "")
        return tuple(tuple(map(decode_component, self.components, event)) for event in events) or None

    def aggregate_sql(self, given: str | None) -> list[str]:
        """Return the aggregates of the N latest events."""
        events = f"sort_array(collect_list({event_sql(self.number, str(given))}), false)"
        return [text for place in range(self.last) for text in self._event_sql(f"get({events}, {place})")]

    def _event_sql(self, event: str) -> list[str]:
        moment = [f"cast({event}.{part} as string)" for part in "tpo"]
        return [*moment, text_sql(self.number.code, f"{event}.v")]

    def _lift_sql(self, value: str, seen: str) -> list[str]:
        one = [*moment_sql(seen), text_sql(self.number.code, value)]
        return one + ["cast(null as string)"] * (len(self.components) - len(one))
