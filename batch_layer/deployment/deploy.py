"""The deployment flow: store, read back, verify, flip; and the way back to the version before."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F  # noqa: N812 - as Spark's own documentation names it

from batch_layer.deployment.manifest import artefact, manifest
from batch_layer.modelling import run_models
from lambda_core.errors import GuardError
from lambda_core.models.deployed import load_model
from lambda_core.repositories.model_store import ModelStore, RedisModelStore
from lambda_core.schemas import tables

if TYPE_CHECKING:
    from lambda_core.context import RunContext
    from lambda_core.models.manifest import Manifest
    from lambda_core.repositories.registry import Version


@dataclass(frozen=True)
class DeploymentReport:
    """Which version answers now, and which one did before; `changed` is false when it answered already."""

    model: str
    version: str
    previous: str | None
    partitions: list[str]
    changed: bool


def deploy(context: RunContext, model: str, version: str | None = None) -> DeploymentReport:
    """Let a promoted version (default: the newest) answer.

    1. The newest verdict on it must have promoted it.
    2. Artefacts and manifest are stored under the version's own keys: nothing answers with them yet.
    3. They are read back and verified: hashes, feature-set id, reference predictions.
    4. The pointer is flipped by compare-and-set; the version before stays for a revert.
    5. The alias `champion` follows.

    A run that ended half-way is run again: every step may be repeated.

    Raises:
        GuardError: when there is no such version, or the gate refused it.
        ArtefactError: when what was read back is not what was stored; the version before answers on.
        PointerMovedError: when somebody else deployed in between.
    """
    store = RedisModelStore(context.redis, context.keys)
    chosen = _chosen(context, model, version)
    verdict = _verdict(context, model, chosen)
    expected = store.model_pointer(model)
    made, contents = _version(context, model, chosen, verdict)
    store.put(made, contents)
    _verify(context, store, model, chosen.version)
    changed = expected is None or expected.current != chosen.version
    pointer = store.flip(model, expected, chosen.version) if changed else expected
    context.registry.crown(model, chosen.version)
    context.log.info("model deployed", model=model, version=chosen.version, changed=changed)
    previous = pointer.previous if pointer else None
    return DeploymentReport(model, chosen.version, previous, sorted(made.partitions), changed)


def revert_model(context: RunContext, model: str) -> DeploymentReport:
    """Let the version that answered before answer again; it is verified first. Reverting twice changes nothing.

    Raises:
        GuardError: when no version answered before. ArtefactError: when that version cannot be loaded.
    """
    store = RedisModelStore(context.redis, context.keys)
    pointer = store.model_pointer(model)
    if pointer is None or pointer.previous is None:
        raise GuardError(f"model {model}: expected a version that answered before, found none; deploy another version")
    made = _verify(context, store, model, pointer.previous)
    flipped = store.flip(model, pointer, pointer.previous)
    context.registry.crown(model, flipped.current)
    context.log.warning("model reverted", model=model, version=flipped.current, was=flipped.previous)
    return DeploymentReport(model, flipped.current, flipped.previous, sorted(made.partitions), changed=True)


def _chosen(context: RunContext, model: str, version: str | None) -> Version:
    known = context.registry.versions(model)
    chosen = [one for one in known if version in (None, one.version)]
    if not chosen:
        raise GuardError(
            f"model {model}: expected version {version or 'of any number'}, "
            f"found {', '.join(one.version for one in known) or 'none'}; run the stages training and evaluation"
        )
    return chosen[-1]


def _verdict(context: RunContext, model: str, version: Version) -> dict[str, Any]:
    """Return the newest verdict on a version: partition -> its row. A few rows: one a partition.

    Raises:
        GuardError: when the gate refused it, with the figures, or when it was never judged.
    """
    place = f"model {model} version {version.version}"
    judged = context.tables.read(tables.verdicts(model)).where(F.col("run_id") == version.run_id)
    newest = judged.groupBy("partition_key").agg(F.max_by(F.struct("*"), "judged_ms").alias("row")).select("row.*")
    rows = {row["partition_key"]: row.asDict() for row in newest.collect()}
    if not rows:
        raise GuardError(f"{place}: expected a verdict, found none; run the stage evaluation")
    if not all(row["promoted"] for row in rows.values()):
        against = "; ".join(
            f"{key}: {', '.join(row['reasons'])}" for key, row in sorted(rows.items()) if row["reasons"]
        )
        raise GuardError(
            f"{place}: expected a version that the gate promoted, found it refused: {against}; "
            "train a better one, or change the model's gate and evaluate again"
        )
    return rows


def _version(
    context: RunContext, model: str, version: Version, verdict: dict[str, Any]
) -> tuple[Manifest, dict[str, bytes]]:
    """Return the version's manifest, and its artefacts by partition: as many as there are partitions."""
    rows = [row.asDict() for row in run_models(context, model, version.run_id).toLocalIterator()]
    described = {
        row["partition_key"]: artefact(row, json.loads(verdict[row["partition_key"]]["figures"])) for row in rows
    }
    created_ms = max(row["judged_ms"] for row in verdict.values())
    feature_set = context.project.models[model].feature_set
    vector = feature_set, context.definition.vector_names(feature_set)
    made = manifest(version.version, vector, described, rows[0], created_ms)
    return made, {row["partition_key"]: bytes(row["content"]) for row in rows}


def _verify(context: RunContext, store: ModelStore, model: str, version: str) -> Manifest:
    """Return the manifest of a version that was read back whole and found as it should be."""
    feature_set_id = context.definition.feature_set_id(context.project.models[model].feature_set)
    return load_model(store, model, version, feature_set_id).manifest
