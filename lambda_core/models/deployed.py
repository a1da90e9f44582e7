"""The version of a model that answers: loaded whole, verified, and kept until a better one has been verified too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import structlog

from lambda_core.errors import ArtefactError
from lambda_core.models.artefact import load_scorer, require_vector

if TYPE_CHECKING:
    from lambda_core.models.manifest import Manifest
    from lambda_core.models.pointer import ModelPointer
    from lambda_core.models.scoring import Scorer


class ModelSource(Protocol):
    """The reading side of a model store."""

    def model_pointer(self, model: str) -> ModelPointer | None:
        """Return which version answers; None when none was ever deployed."""
        ...

    def manifest(self, model: str, version: str) -> Manifest | None:
        """Return what a version says of itself; None when the store does not hold it."""
        ...

    def artefact(self, model: str, version: str, partition: str) -> bytes | None:
        """Return the ONNX bytes of one partition; None when the store does not hold them."""
        ...


@dataclass(frozen=True)
class LoadedModel:
    """One verified version: a scorer a partition."""

    manifest: Manifest
    scorers: dict[str, Scorer]

    def scorer(self, partition: str) -> Scorer:
        """Return the partition's scorer.

        Raises:
            ArtefactError: when this version has no model of the partition.
        """
        self.manifest.artefact(partition)
        return self.scorers[partition]


def load_model(source: ModelSource, model: str, version: str, feature_set_id: str) -> LoadedModel:
    """Return a version with every partition's artefact verified.

    Raises:
        ArtefactError: when the version is missing, or anything of it is not as its manifest says.
    """
    manifest = source.manifest(model, version)
    if manifest is None:
        raise ArtefactError(f"model {model}: expected version {version} in the store, found none; deploy it again")
    require_vector(manifest, feature_set_id)
    scorers: dict[str, Scorer] = {
        partition: load_scorer(source.artefact(model, version, partition), manifest, partition)
        for partition in manifest.partitions
    }
    return LoadedModel(manifest, scorers)


class DeployedModel:
    """A cache of the version that the pointer names. A version that is refused leaves the old one answering.

    Attributes:
        refused: the version last refused and the sentence that says why; None while all is well.
    """

    def __init__(self, source: ModelSource, model: str, feature_set_id: str, log: Any = None) -> None:
        self._source = source
        self._model = model
        self._feature_set_id = feature_set_id
        self._log = log or structlog.get_logger()
        self._loaded: LoadedModel | None = None
        self.refused: tuple[str, str] | None = None

    @property
    def loaded(self) -> LoadedModel | None:
        """Return the version that answers; None before the first one was loaded."""
        return self._loaded

    def refresh(self) -> LoadedModel | None:
        """Follow the pointer; return the version that answers, None when none ever did.

        A version that is refused is told once in the log, and tried again at each call: deploying it anew mends it.
        """
        pointer = self._source.model_pointer(self._model)
        if pointer is None or (self._loaded and self._loaded.manifest.version == pointer.current):
            self.refused = None if pointer else self.refused
            return self._loaded
        try:
            self._loaded = load_model(self._source, self._model, pointer.current, self._feature_set_id)
            self.refused = None
        except ArtefactError as error:
            if self.refused is None or self.refused[0] != pointer.current:
                kept = self._loaded.manifest.version if self._loaded else None
                self._log.error("model version refused", version=pointer.current, answers=kept, reason=str(error))
            self.refused = (pointer.current, str(error))
        return self._loaded
