"""Is an artefact what its manifest says? Asked after every transport, before anything is scored with it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from lambda_core.errors import ArtefactError
from lambda_core.models.scoring import OnnxScorer, Scorer, SelectingScorer

if TYPE_CHECKING:
    from lambda_core.models.manifest import Artefact, Manifest

TOLERANCE = 1e-6
"""How far a reference prediction may lie from the one in the manifest (32-bit floats)."""


def sha256(content: bytes) -> str:
    """Return the hash of some bytes, hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def verify(content: bytes | None, manifest: Manifest, partition: str) -> None:
    """Refuse bytes that are not those the manifest names.

    Raises:
        ArtefactError: naming the expected and the found hash.
    """
    expected = manifest.artefact(partition)
    place = f"model {manifest.model} version {manifest.version} partition {partition}"
    if content is None:
        raise ArtefactError(f"{place}: expected {expected.size} bytes, found none; deploy the version again")
    found = sha256(content)
    if found != expected.sha256:
        raise ArtefactError(
            f"{place}: expected SHA-256 {expected.sha256} ({expected.size} bytes), found {found} "
            f"({len(content)} bytes); deploy the version again"
        )


def require_vector(manifest: Manifest, feature_set_id: str) -> None:
    """Refuse a model that was trained on another vector than the one it would be given.

    Raises:
        ArtefactError: naming both ids.
    """
    if manifest.feature_set_id != feature_set_id:
        raise ArtefactError(
            f"model {manifest.model} version {manifest.version}: expected feature-set id {feature_set_id} of "
            f"{manifest.feature_set}, found {manifest.feature_set_id}; train and deploy on the present definition"
        )


def check_references(scorer: Scorer, artefact: Artefact, place: str) -> None:
    """Refuse a model that answers its reference rows otherwise than when it was trained.

    Raises:
        ArtefactError: naming the first row that differs.
    """
    found = scorer.score(artefact.reference_inputs)
    for row, (expected, answer) in enumerate(zip(artefact.reference_predictions, found, strict=True)):
        if not abs(expected - answer) <= TOLERANCE:
            raise ArtefactError(
                f"{place}: reference row {row}: expected {expected!r} within {TOLERANCE}, found {answer!r}; "
                "this machine's runtime scores otherwise than the training did: do not serve with it"
            )


def load_scorer(content: bytes | None, manifest: Manifest, partition: str) -> Scorer:
    """Return the partition's scorer of whole vectors, verified: hash, number of inputs, reference rows.

    Raises:
        ArtefactError: when anything is not as the manifest says.
    """
    verify(content, manifest, partition)
    place = f"model {manifest.model} version {manifest.version} partition {partition}"
    taken, model = manifest.taken(partition), OnnxScorer(content or b"")
    if model.width not in (None, len(taken)):
        raise ArtefactError(f"{place}: expected {len(taken)} inputs, found {model.width}")
    whole = list(range(len(manifest.inputs)))
    scorer: Scorer = model if taken == whole else SelectingScorer(model, taken, len(whole))
    check_references(scorer, manifest.artefact(partition), place)
    return scorer
