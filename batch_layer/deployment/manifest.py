"""From a run's rows to the manifest of a version and its artefacts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from lambda_core.models.manifest import Artefact, Manifest

if TYPE_CHECKING:
    from collections.abc import Mapping

FIGURES = ("auc", "log_loss", "brier", "baseline_auc", "baseline_log_loss", "baseline_brier")
"""What of a verdict's figures goes into the manifest."""


def artefact(candidate: Mapping[str, Any], figures: Mapping[str, float]) -> Artefact:
    """Return what a manifest says of one partition's model, from its candidates row and its verdict's figures."""
    reference = json.loads(candidate["reference"])
    return Artefact(
        sha256=candidate["sha256"],
        size=len(candidate["content"]),
        metrics={name: figures[name] for name in FIGURES if name in figures},
        reference_inputs=reference["inputs"],
        reference_predictions=reference["predictions"],
        inputs=list(candidate["inputs"]),
    )


def manifest(
    version: str,
    vector: tuple[str, list[str]],
    partitions: Mapping[str, Artefact],
    candidate: Mapping[str, Any],
    created_ms: int,
) -> Manifest:
    """Return the manifest of a version on a vector: the feature set and the names of its values.

    Its ids come from any candidates row of the run: they are the same in all of them. `created_ms` is when it was
    judged, and so the same however often the version is deployed.
    """
    return Manifest(
        model=candidate["model"],
        version=version,
        feature_set=vector[0],
        feature_set_id=candidate["feature_set_id"],
        definition_id=candidate["definition_id"],
        inputs=vector[1],
        partitions=dict(partitions),
        run_id=candidate["run_id"],
        split_id=candidate["split_id"],
        created_ms=created_ms,
    )
