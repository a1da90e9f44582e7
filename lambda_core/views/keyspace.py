"""The names of Redis keys. Every key of one (feature group, entity) shares one hash tag, and so one shard.

    ms:<project>:pointer                                  what is current (JSON, see `pointer`)
    ms:<project>:coming:{<pointer>}                       the view that is about to be flipped to (JSON), in the pointer's slot
    ms:<project>:loading:<generation>                     note of a publication on its way: begun, or written
    ms:<project>:mark                                     epoch mark: the epochs that this Redis holds in full (set)
    ms:<project>:worker:<topic>:<partition>               next offset of the updates topic, by the data written here
    ms:<project>:caught_up:<epoch>                        partition -> process of Redis in which all of it is applied (hash)
    ms:<project>:figures:<process>                        what a process of the speed layer measured (JSON, expires soon)
    ms:<project>:figures                                  which processes were heard of, and when (sorted set)
    ms:<project>:model:<model>                            the model pointer (JSON)
    ms:<project>:model:<model>:<version>:<partition>      ONNX bytes; `...:manifest` its manifest
    ms:<project>:score:<prediction id>                    a score (JSON), the first one stands
    ms:<project>:definition:<definition id>               what a definition pins beside the settings (JSON)
    ms:<project>:{<group>:<entity>}:b:<generation>        batch value (see `packing`)
    ms:<project>:{<group>:<entity>}:s:<epoch>:<period>    speed hash (see `speed`)
    ms:<project>:{<group>:<entity>}:i:<epoch>             index of periods that exist (sorted set)
    ms:<project>:{<group>:<entity>}:l:<epoch>             late records (hash): <partition>:<period> -> greatest offset
    ms:<project>:{<group>:<entity>}:u:<epoch>             unique keys seen: append time and offset of the copy kept (hash)

Over a Redis Cluster (`sharded`) each slot has an epoch mark of its own, and each shard positions of its own; the tag says
where they lie (see `slots`):

    ms:<project>:mark:{<tag of the slot>}                 the epochs, and the generations, that the slot holds in full (set)
    ms:<project>:loading:{<tag of the slot>}              the generations that are being loaded (set)
    ms:<project>:worker:<topic>:<partition>:{<tag>}       next offset, by the data written on the shard of the tag
    ms:<project>:caught_up:<epoch>:{<tag>}                the shard's own process, as above

An *epoch* is `<definition id>.<rebuild number>`. Entities come escaped (see `features.keys`): no braces, no colons.
"""

from dataclasses import dataclass

from lambda_core.views.slots import slot_of, tag_of


@dataclass(frozen=True)
class Keyspace:
    """The keys of one project; `sharded`, as they are named over a Redis Cluster."""

    project: str
    sharded: bool = False

    @property
    def pointer(self) -> str:
        """Return the key of the view pointer."""
        return f"ms:{self.project}:pointer"

    @property
    def coming(self) -> str:
        """Return the key of the view that is about to be flipped to."""
        return f"ms:{self.project}:coming:{{{self.pointer}}}"

    def loading(self, generation: str) -> str:
        """Return the key of the note of a publication that is on its way."""
        return f"ms:{self.project}:loading:{generation}"

    @property
    def mark(self) -> str:
        """Return the key of the set of epochs that this Redis holds in full."""
        return f"ms:{self.project}:mark"

    def mark_of(self, group: str, entity: str) -> str:
        """Return the key of the epoch mark that counts for an entity: over a cluster, that of its slot."""
        return self.mark_in(slot_of(f"{group}:{entity}")) if self.sharded else self.mark

    def mark_in(self, slot: int) -> str:
        """Return the key of a slot's own mark."""
        return f"{self.mark}:{{{tag_of(slot)}}}"

    def loading_in(self, slot: int) -> str:
        """Return the key of the set of generations that are being loaded, in a slot."""
        return f"ms:{self.project}:loading:{{{tag_of(slot)}}}"

    def worker(self, topic: str, partition: int, slot: int | None = None) -> str:
        """Return the key of the merge worker's position on a partition of the updates topic; over a cluster, in a slot."""
        return self._in(slot, f"ms:{self.project}:worker:{topic}:{partition}")

    def caught_up(self, epoch: str, slot: int | None = None) -> str:
        """Return the key of the notes of the process in which an epoch's partitions are applied; over a cluster, in a slot."""
        return self._in(slot, f"ms:{self.project}:caught_up:{epoch}")

    @property
    def figures_index(self) -> str:
        """Return the key of the index of processes that left figures."""
        return f"ms:{self.project}:figures"

    def figures(self, process: str) -> str:
        """Return the key of one process's figures."""
        return f"{self.figures_index}:{process}"

    @property
    def entity_prefix(self) -> str:
        """Return what the keys of all entities begin with; the group, a colon and the entity follow."""
        return f"ms:{self.project}:{{"

    def entity(self, group: str, entity: str) -> str:
        """Return the common prefix of an entity's keys: all of them share its hash tag."""
        return f"{self.entity_prefix}{group}:{entity}}}"

    def batch(self, group: str, entity: str, generation: str) -> str:
        """Return the key of a batch value."""
        return f"{self.entity(group, entity)}:b:{generation}"

    def speed(self, group: str, entity: str, epoch: str, period: int) -> str:
        """Return the key of one period's speed hash."""
        return f"{self.speed_prefix(group, entity, epoch)}{period}"

    def speed_prefix(self, group: str, entity: str, epoch: str) -> str:
        """Return the common prefix of the entity's speed hashes; the period follows."""
        return f"{self.entity(group, entity)}:s:{epoch}:"

    def periods(self, group: str, entity: str, epoch: str) -> str:
        """Return the key of the index of the entity's periods."""
        return f"{self.entity(group, entity)}:i:{epoch}"

    def seen(self, group: str, entity: str, epoch: str) -> str:
        """Return the key of the unique keys seen."""
        return f"{self.entity(group, entity)}:u:{epoch}"

    def late(self, group: str, entity: str, epoch: str) -> str:
        """Return the key of the entity's records that appeared before a published horizon."""
        return f"{self.entity(group, entity)}:l:{epoch}"

    def model(self, model: str) -> str:
        """Return the key of a model's pointer."""
        return f"ms:{self.project}:model:{model}"

    def artefact(self, model: str, version: str, partition: str) -> str:
        """Return the key of one partition's ONNX bytes."""
        return f"{self.model(model)}:{version}:{partition}"

    def manifest(self, model: str, version: str) -> str:
        """Return the key of a model version's manifest."""
        return f"{self.model(model)}:{version}:manifest"

    def score(self, prediction_id: str) -> str:
        """Return the key of a prediction's score."""
        return f"ms:{self.project}:score:{prediction_id}"

    def definition(self, definition_id: str) -> str:
        """Return the key of what a definition pins beside the settings."""
        return f"ms:{self.project}:definition:{definition_id}"

    @staticmethod
    def _in(slot: int | None, key: str) -> str:
        return key if slot is None else f"{key}:{{{tag_of(slot)}}}"
