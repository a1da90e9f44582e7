"""Models, scores and definitions: what is kept, what stands, what a compare-and-set refuses; in Redis as in memory."""

from __future__ import annotations

import pytest

from lambda_core.errors import PointerMovedError
from lambda_core.models.manifest import Manifest
from lambda_core.models.pointer import ModelPointer
from lambda_core.repositories.model_store import MemoryModelStore, RedisModelStore
from lambda_core.repositories.record_store import DefinitionStore, ScoreStore
from lambda_core.schemas.messages import Answer, Score


@pytest.fixture(params=["redis", "memory"])
def models(request, client, keys):
    return RedisModelStore(client, keys) if request.param == "redis" else MemoryModelStore()


def score(value: float, prediction_id: str = "shop.orders/0/7") -> Score:
    answer = Answer(1, "checkout", "id", "merged", {"price": 2.5})
    return Score(prediction_id, "returned", "3", "ann", value, answer, 5, 6)


def test_a_version_is_stored_whole(models):
    manifest = Manifest("returned", "1", "checkout", "id", "id", ["price"], {}, "run", "split", 1)

    models.put(manifest, {"ann": b"\x00onnx", "bob": b"other"})

    assert models.manifest("returned", "1") == manifest
    assert models.artefact("returned", "1", "ann") == b"\x00onnx"
    assert models.artefact("returned", "1", "eve") is None
    assert models.manifest("returned", "2") is None
    assert models.model_pointer("returned") is None


def test_a_flip_keeps_the_version_that_answered_before(models):
    first = models.flip("returned", None, "1")

    assert models.flip("returned", first, "2") == ModelPointer("2", "1")
    assert models.model_pointer("returned") == ModelPointer("2", "1")


def test_a_flip_is_refused_when_somebody_else_was_first(models):
    models.flip("returned", None, "1")

    with pytest.raises(PointerMovedError, match="model returned: expected no version to answer"):
        models.flip("returned", None, "2")
    assert models.model_pointer("returned") == ModelPointer("1")


def test_the_first_score_of_a_prediction_stands(client, keys):
    scores = ScoreStore(client, keys)

    assert scores.keep([score(0.25), score(0.5), score(0.75, "shop.orders/0/8")]) == [True, False, True]
    assert scores.keep([score(0.125)]) == [False]
    assert scores.read("shop.orders/0/7") == score(0.25)
    assert scores.read("shop.orders/9/9") is None
    assert scores.keep([]) == []


def test_a_definition_brings_its_references_back(client, keys):
    definitions = DefinitionStore(client, keys)

    definitions.put_definition("0123", {"planes": "abc"})

    assert definitions.get_definition("0123") == {"planes": "abc"}
    assert definitions.get_definition("4567") is None
