"""A Redis Cluster on loopback: several shards without replicas, which own the slots in equal parts."""

from __future__ import annotations

from pathlib import Path

import redis
import tenacity

from local_stack.ports import LOOPBACK, free_ports
from local_stack.server import ServerError
from local_stack.store import Store

SLOTS = 16_384
JOINED_SECONDS = 120.0
_NODE_TIMEOUT_MS = "5000"


class Shard(Store):
    """One server of a cluster; its bus listens on a port of its own, where Redis would add 10,000 to the first one."""

    name = "shard"

    def __init__(self, folder: Path, port: int, bus_port: int) -> None:
        super().__init__(folder, port)
        self.bus_port = bus_port

    def client(self) -> redis.Redis:
        """A client of this server alone."""
        return redis.Redis(host=LOOPBACK, port=self.port, socket_timeout=5, socket_connect_timeout=2)

    def is_joined(self, shards: int) -> bool:
        """Whether this server sees so many, and all slots served."""
        with self.client() as client:
            found = client.cluster("INFO")
        return found["cluster_state"] == "ok" and int(found["cluster_known_nodes"]) == shards

    def _settings(self) -> dict[str, str]:
        own = {"cluster-enabled": "yes", "cluster-port": str(self.bus_port), "cluster-node-timeout": _NODE_TIMEOUT_MS}
        return {**super()._settings(), **own}


class StoreCluster:
    """Shards that were started together; `start`, `wait_ready`, `stop` as one server has them.

    Args:
        folder: where each shard keeps a folder of its own. shards: how many.
    """

    def __init__(self, folder: Path, shards: int = 3) -> None:
        folder = Path(folder).absolute()
        ports = free_ports(2 * shards)
        pairs = zip(ports[::2], ports[1::2], strict=True)
        self.shards = [Shard(folder / f"shard{place}", *pair) for place, pair in enumerate(pairs)]

    @property
    def address(self) -> str:
        """The address as Mainstem takes it."""
        return "redis+cluster://" + ",".join(f"{LOOPBACK}:{shard.port}" for shard in self.shards)

    def start(self) -> None:
        """Start all shards and return at once."""
        for shard in self.shards:
            shard.start()

    def wait_ready(self, timeout: float = JOINED_SECONDS) -> None:
        """Return when all shards answer for all slots; the first time, give them their slots and make them known."""
        for shard in self.shards:
            shard.wait_ready(timeout)
        if not all(self._has_slots(shard) for shard in self.shards):
            self._join()
        waiting = tenacity.Retrying(
            stop=tenacity.stop_after_delay(timeout),
            wait=tenacity.wait_fixed(0.05),
            retry=tenacity.retry_if_result(lambda joined: not joined),
        )
        try:
            waiting(lambda: all(shard.is_joined(len(self.shards)) for shard in self.shards))
        except tenacity.RetryError as error:
            raise ServerError(
                f"store: expected {len(self.shards)} shards to find each other within {timeout:g} s, found them apart; "
                f"read {self.shards[0].log}"
            ) from error

    def stop(self) -> None:
        """End all shards."""
        for shard in self.shards:
            shard.stop()

    def _join(self) -> None:
        bounds = [place * SLOTS // len(self.shards) for place in range(len(self.shards) + 1)]
        for place, shard in enumerate(self.shards):
            with shard.client() as client:
                client.execute_command("CLUSTER ADDSLOTSRANGE", bounds[place], bounds[place + 1] - 1)
                client.execute_command("CLUSTER SET-CONFIG-EPOCH", place + 1)
        with self.shards[0].client() as client:
            for shard in self.shards[1:]:
                client.execute_command("CLUSTER MEET", LOOPBACK, shard.port, shard.bus_port)

    @staticmethod
    def _has_slots(shard: Shard) -> bool:
        with shard.client() as client:
            return int(client.cluster("INFO")["cluster_slots_assigned"]) > 0
