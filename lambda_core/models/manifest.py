"""What a model version says of itself: enough to refuse it, to explain it, and to walk back to its data."""

from __future__ import annotations

import msgspec

from lambda_core.errors import ArtefactError

Vector = list[float | None]
"""Values in the order of the manifest's inputs; None where there is none."""


class Artefact(msgspec.Struct, frozen=True):
    """One partition's model: its bytes' hash, what it was judged by, and a few rows it must answer as it did.

    Attributes:
        sha256: hash of the ONNX bytes, hexadecimal. size: their number.
        inputs: names of the vector's values that this model takes, in its order; empty: all of them.
        metrics: figures on the held-out rows: `auc`, `log_loss`, `brier`, and the baseline's as `baseline_<name>`.
        reference_inputs: whole vectors of some training rows.
        reference_predictions: probabilities that the training library gave for them.
    """

    sha256: str
    size: int
    metrics: dict[str, float] = {}
    reference_inputs: list[Vector] = []
    reference_predictions: list[float] = []
    inputs: list[str] = []


class Manifest(msgspec.Struct, frozen=True):
    """A model version: one artefact a partition, and the chain of ids behind them.

    Attributes:
        feature_set_id: id of the vector it was trained on; a vector of another id is never scored by it.
        inputs: names of the vector's values, in order; a partition's model may take fewer of them (`Artefact.inputs`).
        run_id: the training run, also in the registry. split_id: which rows trained it.
        created_ms: when the version was made, milliseconds since 1970-01-01 UTC.
    """

    model: str
    version: str
    feature_set: str
    feature_set_id: str
    definition_id: str
    inputs: list[str]
    partitions: dict[str, Artefact]
    run_id: str
    split_id: str
    created_ms: int

    def artefact(self, partition: str) -> Artefact:
        """Return what is said of one partition's model.

        Raises:
            ArtefactError: when this version has no model of the partition.
        """
        if partition not in self.partitions:
            raise ArtefactError(
                f"model {self.model} version {self.version}: expected a partition out of "
                f"{', '.join(sorted(self.partitions))}; found {partition!r}; train on rows of that partition, "
                "or let the ladder's next rung answer"
            )
        return self.partitions[partition]

    def taken(self, partition: str) -> list[int]:
        """Return the places in the vector of what one partition's model takes, in the model's order.

        Raises:
            ArtefactError: when this version has no model of the partition, or it takes what the vector lacks.
        """
        names = self.artefact(partition).inputs or self.inputs
        lacking = [name for name in names if name not in self.inputs]
        if lacking:
            raise ArtefactError(
                f"model {self.model} version {self.version} partition {partition}: expected inputs out of "
                f"{', '.join(self.inputs)}; found {', '.join(lacking)}; train and deploy on the present definition"
            )
        return [self.inputs.index(name) for name in names]

    def encode(self) -> bytes:
        """Return the JSON text; equal manifests have equal bytes."""
        return msgspec.json.encode(self, order="sorted")

    @classmethod
    def decode(cls, text: bytes) -> Manifest:
        """Return the manifest that `encode` was given.

        Raises:
            ArtefactError: when the text is no manifest.
        """
        try:
            return msgspec.json.decode(text, type=cls)
        except msgspec.DecodeError as error:
            raise ArtefactError(
                f"manifest: expected JSON of a model version, found {error}; deploy it again"
            ) from error
