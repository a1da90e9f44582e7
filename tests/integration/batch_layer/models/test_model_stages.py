"""From training rows to scores: trained in tasks, judged, deployed or refused, reverted, and scored as online."""

from __future__ import annotations

import json

import pytest

from batch_layer.deployment import deploy, revert_model
from batch_layer.evaluation import evaluate
from batch_layer.scoring import score
from batch_layer.training import train
from lambda_core.errors import ArtefactError, DataError, GuardError
from lambda_core.models.deployed import DeployedModel
from lambda_core.repositories.model_store import RedisModelStore

from .conftest import MODEL, REGIONS, VECTOR, rows

pytestmark = [pytest.mark.spark, pytest.mark.servers]


def answering(shop) -> DeployedModel:
    context = shop.context
    store = RedisModelStore(context.redis, context.keys)
    model = DeployedModel(store, MODEL, context.definition.feature_set_id("checkout"))
    model.refresh()
    return model


def trained_and_judged(shop):
    run = train(shop.context, MODEL)
    return evaluate(shop.context, MODEL, run.run_id)


def hashes(shop, run_id: str) -> dict[str, str]:
    found = shop.context.tables.read(f"candidates_{MODEL}").where(f"run_id = '{run_id}'").collect()
    return {row["partition_key"]: row["sha256"] for row in found}


def test_training_twice_gives_equal_models_from_train_rows_alone(shop):
    frame = rows()
    shop.fill(frame)
    first = train(shop.context, MODEL)
    frame.loc[1_400:, "label"] = 1 - frame.loc[1_400:, "label"]
    shop.fill(frame)

    second = train(shop.context, MODEL)

    assert sorted(first.partitions) == list(REGIONS)
    assert hashes(shop, first.run_id) == hashes(shop, second.run_id)
    labelled = frame[:1_400].dropna(subset="label").groupby("region").size().to_dict()
    assert {key: made["rows"] for key, made in first.partitions.items()} == labelled


def test_a_partition_that_cannot_be_learnt_is_tried_again_and_then_named(shop):
    frame = rows()
    frame.loc[(frame.region == "south") & frame.label.notna(), "label"] = 0
    shop.fill(frame)

    with pytest.raises(DataError, match=r"after 2 attempts; failed: \{'south': .*both labels"):
        train(shop.context, MODEL)

    tried = shop.context.tables.read(f"candidates_{MODEL}").groupBy("partition_key").count().collect()
    assert {row["partition_key"]: row["count"] for row in tried} == {"north": 1, "south": 2}
    with pytest.raises(DataError, match="expected a complete training run"):
        evaluate(shop.context, MODEL)


def test_a_good_candidate_is_promoted_deployed_and_answers(shop):
    shop.fill(rows())
    judged = trained_and_judged(shop)

    report = deploy(shop.context, MODEL)

    assert judged.promoted, judged.refusals
    assert (report.version, report.previous, report.changed) == ("1", None, True)
    loaded = answering(shop).loaded
    assert loaded.manifest.inputs == VECTOR
    assert loaded.manifest.partitions["north"].metrics["auc"] == judged.figures["north"]["auc"]
    assert (loaded.manifest.run_id, loaded.manifest.split_id) == (judged.run_id, "s1")
    assert shop.context.registry.champion(MODEL).version == "1"


def test_a_candidate_no_better_than_the_baseline_is_refused_and_not_deployed(shop):
    shop.fill(rows(told=0.0))
    judged = trained_and_judged(shop)

    with pytest.raises(GuardError, match=r"auc_gain over the baseline: expected at least 0\.02, found"):
        deploy(shop.context, MODEL)

    assert not judged.promoted
    assert sorted(judged.refusals) == list(REGIONS)
    assert shop.context.registry.champion(MODEL) is None
    assert answering(shop).loaded is None


def test_one_bad_partition_holds_back_the_whole_version(shop):
    frame, blind = rows(), rows(told=0.0)
    south = frame.region == "south"
    frame.loc[south, "label"] = blind.loc[south, "label"]
    shop.fill(frame)

    judged = trained_and_judged(shop)

    assert (judged.promoted, sorted(judged.refusals)) == (False, ["south"])


def test_a_gate_that_does_not_block_tells_its_reasons_and_lets_the_version_through(shop):
    open_shop = shop.but(gate={"min_auc_gain": 0.9, "min_rows": 50, "resamples": 100, "blocking": False})
    open_shop.fill(rows())

    judged = trained_and_judged(open_shop)

    assert judged.promoted
    assert judged.refusals
    assert deploy(open_shop.context, MODEL).version == "1"


def test_deploying_a_version_again_changes_nothing_and_mends_what_was_broken(shop):
    shop.fill(rows())
    trained_and_judged(shop)
    deploy(shop.context, MODEL)
    keys, redis = shop.context.keys, shop.context.redis
    content = redis.get(keys.artefact(MODEL, "1", "north"))
    manifest = redis.get(keys.manifest(MODEL, "1"))
    redis.set(keys.artefact(MODEL, "1", "north"), content[:-1] + bytes([content[-1] ^ 1]))
    assert answering(shop).loaded is None

    report = deploy(shop.context, MODEL, "1")

    assert not report.changed
    assert redis.get(keys.manifest(MODEL, "1")) == manifest
    assert answering(shop).loaded.manifest.version == "1"


def test_the_second_version_is_compared_with_the_champion_and_can_be_reverted(shop):
    shop.fill(rows())
    trained_and_judged(shop)
    deploy(shop.context, MODEL)
    weaker = shop.but(algorithm={"strategy": "lightgbm", "parameters": {"n_estimators": 60, "num_leaves": 7}})
    second = trained_and_judged(weaker)

    deployed = deploy(weaker.context, MODEL)
    reverted = revert_model(weaker.context, MODEL)

    assert second.champion == "1"
    assert "champion_auc_gain" in second.figures["north"]
    assert (deployed.version, deployed.previous) == ("2", "1")
    assert (reverted.version, reverted.previous) == ("1", "2")
    assert answering(shop).loaded.manifest.version == "1"
    assert shop.context.registry.champion(MODEL).version == "1"


def test_a_candidate_that_is_surely_worse_than_the_champion_is_refused(shop):
    shop.fill(rows())
    trained_and_judged(shop)
    deploy(shop.context, MODEL)
    worse = shop.but(algorithm={"strategy": "lightgbm", "parameters": {"n_estimators": 3, "num_leaves": 2}})

    judged = trained_and_judged(worse)

    assert any("over the champion" in one for against in judged.refusals.values() for one in against)
    with pytest.raises(GuardError, match="version 2: expected a version that the gate promoted"):
        deploy(worse.context, MODEL)
    assert answering(shop).loaded.manifest.version == "1"


def test_without_a_version_before_there_is_nothing_to_revert_to(shop):
    with pytest.raises(GuardError, match="expected a version that answered before, found none"):
        revert_model(shop.context, MODEL)


def test_a_version_that_nobody_made_cannot_be_deployed(shop):
    with pytest.raises(GuardError, match="expected version 9, found none"):
        deploy(shop.context, MODEL, "9")


def test_batch_scores_equal_the_online_scorer_bit_by_bit_and_are_written_once(shop):
    frame = rows()
    shop.fill(frame)
    trained_and_judged(shop)
    deploy(shop.context, MODEL)

    first = score(shop.context, MODEL)
    second = score(shop.context, MODEL)

    loaded = answering(shop).loaded
    found = shop.context.tables.read(f"scores_{MODEL}").collect()
    assert (first.added, second.added, second.total) == (len(found), 0, len(found))
    learnt = frame[:1_400].dropna(subset="label")
    assert {row["prediction_id"] for row in found} == set(frame.prediction_key) - set(learnt.prediction_key)
    for row in found[:200]:
        asked = json.loads(row["answer"])
        assert list(asked["values"]) == VECTOR
        assert row["score"] == loaded.scorer(row["partition_key"]).score([list(asked["values"].values())])[0]
        assert (row["model_version"], row["scored_ms"]) == ("1", 1_000)


def test_batch_scores_may_begin_at_a_moment(shop):
    shop.fill(rows())
    trained_and_judged(shop)
    deploy(shop.context, MODEL)

    assert score(shop.context, MODEL, from_ms=2_300_000).added == 100
    assert score(shop.context, MODEL).added > 0


def test_nothing_is_scored_before_a_deployment_nor_by_an_artefact_with_a_byte_changed(shop):
    shop.fill(rows())
    with pytest.raises(GuardError, match="expected a deployed version, found none"):
        score(shop.context, MODEL)
    trained_and_judged(shop)
    deploy(shop.context, MODEL)
    key = shop.context.keys.artefact(MODEL, "1", "south")
    content = shop.context.redis.get(key)
    shop.context.redis.set(key, bytes([content[0] ^ 1]) + content[1:])

    with pytest.raises(ArtefactError, match="partition south: expected SHA-256"):
        score(shop.context, MODEL)


def test_a_run_is_in_mlflow_with_figures_pictures_artefacts_and_the_champion(make_shop, tmp_path):
    shop = make_shop(None)
    shop.fill(rows())
    judged = trained_and_judged(shop)
    before = shop.context.registry.champion(MODEL)
    deploy(shop.context, MODEL)

    from mlflow import MlflowClient

    client = MlflowClient(shop.context.environment.registry)
    run = client.get_run(judged.run_id)
    files = {found.path for folder in ("model", "plots") for found in client.list_artifacts(judged.run_id, folder)}
    assert before is None
    assert shop.context.registry.champion(MODEL).version == judged.version == "1"
    assert shop.context.registry.register(MODEL, judged.run_id).version == "1"
    assert run.data.metrics["auc.north"] == pytest.approx(judged.figures["north"]["auc"])
    assert (run.data.params["split_id"], run.info.status) == ("s1", "FINISHED")
    assert files == {
        *(f"model/partition={region}.onnx" for region in REGIONS),
        *(f"plots/{kind}.png" for kind in ("roc", "precision_recall", "calibration")),
    }
    assert (tmp_path / "artefacts").is_dir()
