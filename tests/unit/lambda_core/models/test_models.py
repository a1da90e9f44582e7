"""A manifest, the bytes it names, the scorer they become, and the version that goes on answering."""

from __future__ import annotations

import numpy as np
import pytest

from batch_layer.training.isotonic import Isotonic
from batch_layer.training.strategy import TrainingRows
from lambda_core.errors import ArtefactError
from lambda_core.models.artefact import load_scorer, sha256
from lambda_core.models.deployed import DeployedModel
from lambda_core.models.manifest import Artefact, Manifest
from lambda_core.models.pointer import ModelPointer
from lambda_core.models.scoring import OnnxScorer
from lambda_core.repositories.model_store import MemoryModelStore

INPUTS = ["age", "delay"]
VECTOR = [3.0, 12.0]


def content(shift: float = 0.0) -> bytes:
    """A tiny model: the probability rises with the delay, around `shift`."""
    delay = np.arange(100, dtype=np.float32)
    features = np.stack([np.ones(100, dtype=np.float32), delay], axis=1)
    labels = (delay > 50 + shift).astype(np.float64)
    labels[::7] = 1 - labels[::7]
    return Isotonic("delay").fit(TrainingRows(INPUTS, features, labels), 0).to_onnx()


def manifest(data: bytes, version: str = "1", **changes) -> Manifest:
    scorer = OnnxScorer(data)
    rows = [VECTOR, [None, None]]
    artefact = Artefact(sha256(data), len(data), {"auc": 0.9}, rows, scorer.score(rows))
    declared = {
        "model": "late",
        "version": version,
        "feature_set": "departure",
        "feature_set_id": "f1",
        "definition_id": "d1",
        "inputs": INPUTS,
        "partitions": {"north": artefact},
        "run_id": "r1",
        "split_id": "s1",
        "created_ms": 5,
    }
    return Manifest(**{**declared, **changes})


def deployed(data: bytes, version: str = "1") -> MemoryModelStore:
    store = MemoryModelStore()
    store.put(manifest(data, version), {"north": data})
    store.flip("late", None, version)
    return store


def changed(data: bytes) -> bytes:
    """The same bytes but one."""
    return data[:100] + bytes([data[100] ^ 1]) + data[101:]


def test_a_manifest_survives_its_json():
    said = manifest(content())

    assert Manifest.decode(said.encode()) == said


def test_a_text_that_is_no_manifest_is_refused_with_a_sentence():
    with pytest.raises(ArtefactError, match="expected JSON of a model version"):
        Manifest.decode(b'{"model": 3}')


def test_none_and_nan_score_alike():
    scorer = OnnxScorer(content())

    assert scorer.score([[None, 12.0], [3.0, None]]) == scorer.score([[float("nan"), 12.0], [3.0, float("nan")]])


def test_a_score_does_not_depend_on_the_other_rows_of_its_batch():
    scorer = OnnxScorer(content())
    vectors = [[1.0, float(delay)] for delay in range(-5, 120)]

    assert scorer.score(vectors) == [scorer.score([vector])[0] for vector in vectors]


def test_no_vectors_have_no_scores():
    assert OnnxScorer(content()).score([]) == []


def test_a_vector_of_another_width_is_refused():
    with pytest.raises(ArtefactError, match="vectors of 3 values: expected 2"):
        OnnxScorer(content()).score([[1.0, 2.0, 3.0]])


def test_bytes_that_are_no_model_are_refused():
    with pytest.raises(ArtefactError, match="expected an ONNX graph"):
        OnnxScorer(b"not a model")


def test_one_changed_byte_is_refused_and_both_hashes_are_named():
    data = content()
    broken = changed(data)

    with pytest.raises(ArtefactError) as refusal:
        load_scorer(broken, manifest(data), "north")

    assert sha256(data) in str(refusal.value)
    assert sha256(broken) in str(refusal.value)


def test_an_artefact_that_is_not_there_is_refused():
    with pytest.raises(ArtefactError, match="found none"):
        load_scorer(None, manifest(content()), "north")


def test_a_partition_without_a_model_is_refused():
    with pytest.raises(ArtefactError, match="partition out of north; found 'south'"):
        load_scorer(content(), manifest(content()), "south")


def test_a_model_that_answers_its_reference_rows_otherwise_is_refused():
    data = content()
    lying = Artefact(sha256(data), len(data), {}, [VECTOR], [0.999])

    with pytest.raises(ArtefactError, match=r"reference row 0: expected 0\.999"):
        load_scorer(data, manifest(data, partitions={"north": lying}), "north")


def test_a_model_of_fewer_inputs_than_its_manifest_names_is_refused():
    data = content()

    with pytest.raises(ArtefactError, match="expected 3 inputs, found 2"):
        load_scorer(data, manifest(data, inputs=[*INPUTS, "more"]), "north")


def test_a_model_of_fewer_values_than_the_vector_is_asked_with_whole_vectors():
    data = content()
    wide = ["delay", "speed", "seats", "age"]
    rows = [[90.0, 9.0, None, 3.0], [None, None, 1.0, None]]
    answers = OnnxScorer(data).score([[3.0, 90.0], [None, None]])
    narrow = Artefact(sha256(data), len(data), {}, rows, answers, INPUTS)

    scorer = load_scorer(data, manifest(data, inputs=wide, partitions={"north": narrow}), "north")

    assert scorer.score([[90.0, 1.0, 7.0, 3.0]]) == OnnxScorer(data).score([[3.0, 90.0]])
    with pytest.raises(ArtefactError, match="vectors of 2 values: expected 4"):
        scorer.score([VECTOR])


def test_values_taken_in_another_order_are_seen_by_the_reference_rows():
    data = content()
    rows = [[3.0, 90.0]]
    turned = Artefact(sha256(data), len(data), {}, rows, OnnxScorer(data).score(rows), INPUTS[::-1])

    with pytest.raises(ArtefactError, match="reference row 0"):
        load_scorer(data, manifest(data, partitions={"north": turned}), "north")


def test_a_model_that_takes_a_value_that_the_vector_lacks_is_refused():
    data = content()
    other = Artefact(sha256(data), len(data), {}, [], [], ["speed", "delay"])

    with pytest.raises(ArtefactError, match="expected inputs out of age, delay; found speed"):
        load_scorer(data, manifest(data, partitions={"north": other}), "north")


def test_a_manifest_from_before_there_was_selection_takes_the_whole_vector():
    data = content()
    text = manifest(data).encode().replace(b'"inputs":[],"metrics"', b'"metrics"')

    assert b'"inputs":[]' not in text
    assert Manifest.decode(text).taken("north") == [0, 1]


def test_a_model_of_another_feature_set_id_is_not_loaded():
    answering = DeployedModel(deployed(content()), "late", "f2")

    assert answering.refresh() is None
    assert answering.refused is not None
    assert "expected feature-set id f2" in answering.refused[1]


def test_before_the_first_deployment_nothing_answers():
    answering = DeployedModel(MemoryModelStore(), "late", "f1")

    assert answering.refresh() is None
    assert answering.refused is None


def test_the_old_version_answers_while_the_new_one_has_a_byte_changed_and_the_new_one_once_it_is_mended():
    first, second = content(), content(shift=20)
    store = deployed(first)
    answering = DeployedModel(store, "late", "f1")
    before = answering.refresh().scorer("north").score([VECTOR])

    store.put(manifest(second, "2"), {"north": changed(second)})
    store.flip("late", ModelPointer("1"), "2")

    assert answering.refresh().scorer("north").score([VECTOR]) == before
    assert answering.loaded.manifest.version == "1"
    assert answering.refused[0] == "2"

    store.put(manifest(second, "2"), {"north": second})

    assert answering.refresh().manifest.version == "2"
    assert answering.refused is None


def test_a_version_that_the_store_lost_leaves_the_old_one_answering():
    store = deployed(content())
    answering = DeployedModel(store, "late", "f1")
    answering.refresh()

    store.flip("late", ModelPointer("1"), "7")

    assert answering.refresh().manifest.version == "1"
    assert "expected version 7 in the store, found none" in answering.refused[1]


def test_a_loaded_version_says_which_partitions_it_knows():
    loaded = DeployedModel(deployed(content()), "late", "f1").refresh()

    with pytest.raises(ArtefactError, match="found 'south'"):
        loaded.scorer("south")
