"""Deployed models in Redis: artefacts and manifests by version, and one pointer a model that says which answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, cast

from lambda_core.errors import PointerMovedError
from lambda_core.models.deployed import ModelSource
from lambda_core.models.manifest import Manifest
from lambda_core.models.pointer import ModelPointer
from lambda_core.repositories.store import answering

if TYPE_CHECKING:
    from collections.abc import Mapping

    import redis

    from lambda_core.views.keyspace import Keyspace

_COMPARE_AND_SET = """
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
return 1
"""


class ModelStore(ModelSource, Protocol):
    """Versions of models, immutable once a pointer names them, and the pointers."""

    def put(self, manifest: Manifest, artefacts: Mapping[str, bytes]) -> None:
        """Store a version: its manifest, and one artefact a partition. Nothing answers with it yet."""
        ...

    def flip(self, model: str, expected: ModelPointer | None, version: str) -> ModelPointer:
        """Let a version answer if the pointer is still `expected`; what answered becomes the previous one.

        Raises:
            PointerMovedError: when somebody else moved it in between; nothing is changed then.
        """
        ...


class RedisModelStore:
    """Models in Redis."""

    def __init__(self, client: redis.Redis, keys: Keyspace) -> None:
        self._client = client
        self._keys = keys

    def put(self, manifest: Manifest, artefacts: Mapping[str, bytes]) -> None:
        """Store a version, all of it or nothing."""
        own = (manifest.model, manifest.version)
        values = {self._keys.artefact(*own, partition): content for partition, content in artefacts.items()}
        values[self._keys.manifest(*own)] = manifest.encode()
        with answering(self._client):
            self._client.mset(values)

    def manifest(self, model: str, version: str) -> Manifest | None:
        """Return what a version says of itself; None when it is not stored."""
        found = self._get(self._keys.manifest(model, version))
        return None if found is None else Manifest.decode(found)

    def artefact(self, model: str, version: str, partition: str) -> bytes | None:
        """Return the artefact of one partition; None when it is not stored."""
        return self._get(self._keys.artefact(model, version, partition))

    def model_pointer(self, model: str) -> ModelPointer | None:
        """Return which version answers; None when none was ever deployed."""
        found = self._get(self._keys.model(model))
        return None if found is None else ModelPointer.decode(found)

    def flip(self, model: str, expected: ModelPointer | None, version: str) -> ModelPointer:
        """Let a version answer if the pointer is still `expected`; what answered becomes the previous one."""
        new = ModelPointer(version, expected.current if expected else None)
        was = expected.encode() if expected else b""
        with answering(self._client):
            flipped = self._client.eval(_COMPARE_AND_SET, 1, self._keys.model(model), was, new.encode())
        if not flipped:
            raise moved(model, expected)
        return new

    def _get(self, key: str) -> bytes | None:
        with answering(self._client):
            return cast("bytes | None", self._client.get(key))


class MemoryModelStore:
    """Models in memory; for tests."""

    def __init__(self) -> None:
        self._manifests: dict[tuple[str, str], Manifest] = {}
        self._artefacts: dict[tuple[str, str, str], bytes] = {}
        self._pointers: dict[str, ModelPointer] = {}

    def put(self, manifest: Manifest, artefacts: Mapping[str, bytes]) -> None:
        """Store a version."""
        own = (manifest.model, manifest.version)
        self._manifests[own] = manifest
        self._artefacts.update({(*own, partition): content for partition, content in artefacts.items()})

    def manifest(self, model: str, version: str) -> Manifest | None:
        """Return what a version says of itself; None when it is not stored."""
        return self._manifests.get((model, version))

    def artefact(self, model: str, version: str, partition: str) -> bytes | None:
        """Return the artefact of one partition; None when it is not stored."""
        return self._artefacts.get((model, version, partition))

    def model_pointer(self, model: str) -> ModelPointer | None:
        """Return which version answers; None when none was ever deployed."""
        return self._pointers.get(model)

    def flip(self, model: str, expected: ModelPointer | None, version: str) -> ModelPointer:
        """Let a version answer if the pointer is still `expected`."""
        if self._pointers.get(model) != expected:
            raise moved(model, expected)
        self._pointers[model] = ModelPointer(version, expected.current if expected else None)
        return self._pointers[model]


def moved(model: str, expected: ModelPointer | None) -> PointerMovedError:
    """Return the error for a pointer that somebody else moved."""
    was = f"version {expected.current}" if expected else "no version"
    return PointerMovedError(f"model {model}: expected {was} to answer, found another; deploy again")
