"""What a Spark task does with its asking events: the verified model of each one's partition, and a score with answer."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import isnan
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pandas as pd

from lambda_core.models.artefact import load_scorer
from lambda_core.models.manifest import Manifest
from lambda_core.schemas.messages import Answer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from lambda_core.models.scoring import Scorer


@dataclass(frozen=True)
class Version:
    """A deployed version as it is sent to tasks: its manifest's text, its artefacts, and when the run scored."""

    manifest: bytes
    contents: dict[str, bytes]
    scored_ms: int


def score_rows(frames: Iterable[pd.DataFrame], version: Version) -> Iterator[pd.DataFrame]:
    """Yield rows of SCORES_SCHEMA for frames of asking events.

    Each frame has one row an asking event: `prediction_key`, `partition_key`, `t_ms`, `append_ms`, and the vector's
    values by name. An event of a partition without a model gets no row.
    """
    manifest = Manifest.decode(version.manifest)
    for frame in frames:
        for partition, rows in frame.groupby("partition_key"):
            key = str(partition)
            if key in manifest.partitions:
                yield _scored(rows, _scorer(version.manifest, key, version.contents[key]), manifest, version.scored_ms)


@lru_cache(maxsize=64)
def _scorer(text: bytes, partition: str, content: bytes) -> Scorer:
    """Return the partition's scorer, verified once a worker process."""
    return load_scorer(content, Manifest.decode(text), partition)


def _scored(rows: pd.DataFrame, scorer: Scorer, manifest: Manifest, scored_ms: int) -> pd.DataFrame:
    values = rows[manifest.inputs].to_numpy(dtype=np.float64)
    vectors: list[list[float | None]] = [[None if isnan(value) else value for value in row] for row in values.tolist()]
    scores = scorer.score(vectors)
    answers = [_answer(int(t_ms), vector, manifest) for t_ms, vector in zip(rows["t_ms"], vectors, strict=True)]
    columns: dict[str, Any] = {
        "prediction_id": rows["prediction_key"].to_numpy(),
        "model": manifest.model,
        "model_version": manifest.version,
        "partition_key": rows["partition_key"].to_numpy(),
        "score": scores,
        "append_ms": rows["append_ms"].to_numpy(),
        "scored_ms": scored_ms,
        "answer": answers,
    }
    return pd.DataFrame(columns)


def _answer(t_ms: int, vector: list[float | None], manifest: Manifest) -> str:
    """Return the JSON of the answer: values by the batch formula, and so from no published view."""
    answer = Answer(
        t_ms=t_ms,
        feature_set=manifest.feature_set,
        feature_set_id=manifest.feature_set_id,
        source="batch_only",
        values=dict(zip(manifest.inputs, vector, strict=True)),
    )
    return msgspec.json.encode(answer).decode()
