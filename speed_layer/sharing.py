"""Who reads which partitions: workers share a topic's partitions, and share them anew when one joins or leaves.

Kafka's group protocol is used for the assignment alone. Nothing is fetched through it, and nothing is committed: where a
partition goes on is kept beside the data, and whoever takes it over begins there. So nothing rests on the assignment
being exact. A worker that has not been told yet reads every partition, one that is told to give some up goes on until the
new assignment is there, and one that was paused wakes up with an old one: what two workers apply, the fence applies once.
(A restarted worker, therefore, need not wait until the group has noticed that the one before it is dead.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import confluent_kafka as ck

from lambda_core.repositories.log import member

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from speed_layer.worker import Handler, Record


class Share(Protocol):
    """Which partitions a worker reads."""

    @property
    def own(self) -> Sequence[int] | None:
        """The partitions; None for all."""
        ...

    def look(self) -> None:
        """Take over what was assigned since."""
        ...

    def close(self) -> None:
        """Leave: from now on others read them."""
        ...


class FixedShare:
    """Partitions that never change."""

    def __init__(self, own: Sequence[int] | None) -> None:
        self.own = own

    def look(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing: nobody else takes them over."""


class GroupShare:
    """This worker's part of a topic among all that are in its group; it is one of them until `close`, or its end.

    Raises:
        KafkaError: from `__init__`, when an address is wrong. A broker that is away is waited for.
    """

    def __init__(self, servers: str, topic: str) -> None:
        self.own: Sequence[int] | None = None
        self._client: Any = member(servers, topic, self._assigned, self._revoked)

    def look(self) -> None:
        """Serve the group; to be called at least every few seconds (see `log.AWAY_MS`), or others take the part over."""
        self._client.poll(0)  # nothing comes of it but calls of the two below

    def close(self) -> None:
        """Leave the group at once."""
        self._client.close()

    def _assigned(self, client: Any, places: list[Any]) -> None:
        # Asked for nothing: paused, and at the end.
        client.assign([ck.TopicPartition(place.topic, place.partition, ck.OFFSET_END) for place in places])
        client.pause(places)
        self.own = sorted(place.partition for place in places)

    @staticmethod
    def _revoked(client: Any, _: list[Any]) -> None:
        client.unassign()


class SharedHandler:
    """A handler whose worker begins again when its share is another one; `positions` of the handler are those of `own`."""

    def __init__(self, handler: Handler, share: Share) -> None:
        self._handler = handler
        self._share = share
        self._began: Sequence[int] | None = None

    def begin(self) -> Mapping[int, int] | None:
        """Return where each partition of the share goes on."""
        self._share.look()
        self._began = self._share.own
        return self._handler.begin()

    def is_current(self) -> bool:
        """Tell whether the share is the same, and what the handler found still holds."""
        self._share.look()
        return self._share.own == self._began and self._handler.is_current()

    def process(self, records: Sequence[Record]) -> None:
        """Do the work of these records, whoever else may be doing it."""
        self._handler.process(records)

    def keep(self, positions: Mapping[int, int]) -> None:
        """Keep the next offsets."""
        self._handler.keep(positions)
