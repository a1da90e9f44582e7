"""From training rows to scores: trained in tasks, judged, deployed or refused, reverted, and scored as online."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from mlflow import MlflowClient

from batch_layer.deployment import deploy, revert_model
from batch_layer.evaluation import evaluate
from batch_layer.scoring import score
from batch_layer.training import train
from lambda_core.errors import ArtefactError, DataError, GuardError
from lambda_core.models.deployed import DeployedModel
from lambda_core.models.scoring import OnnxScorer
from lambda_core.repositories.model_store import RedisModelStore

from .conftest import MODEL, REGIONS, VECTOR, Shop, rows

pytestmark = pytest.mark.servers

OPEN = {"min_auc_gain": 0.02, "min_log_loss_drop": 0.05, "min_rows": 50, "resamples": 100, "blocking": False}


def answering(shop: Shop) -> DeployedModel:
    context = shop.context
    store = RedisModelStore(context.redis, context.keys)
    model = DeployedModel(store, MODEL, context.definition.feature_set_id("checkout"))
    model.refresh()
    return model


def hashes(shop: Shop, run_id: str) -> dict[str, str]:
    found = shop.context.tables.read(f"candidates_{MODEL}").where(f"run_id = '{run_id}'").collect()
    return {row["partition_key"]: row["sha256"] for row in found}


def test_training_on_equal_train_rows_gives_equal_models_whatever_the_test_rows_say(judged_shop, shop):
    good, judged = judged_shop
    frame = rows()
    frame.loc[1_400:, "label"] = 1 - frame.loc[1_400:, "label"]
    shop.fill(frame)

    second = train(shop.context, MODEL)

    assert sorted(second.partitions) == list(REGIONS)
    assert hashes(shop, second.run_id) == hashes(good, judged.run_id)
    labelled = frame[:1_400].dropna(subset="label").groupby("region").size().to_dict()
    assert {key: made["rows"] for key, made in second.partitions.items()} == labelled


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


def test_a_run_is_in_mlflow_with_figures_pictures_and_artefacts(judged_shop, tracking):
    shop, judged = judged_shop
    client = MlflowClient(tracking)

    run = client.get_run(judged.run_id)

    files = {found.path for folder in ("model", "plots") for found in client.list_artifacts(judged.run_id, folder)}
    assert shop.context.registry.register(MODEL, judged.run_id).version == judged.version == "1"
    assert run.data.metrics["auc.north"] == pytest.approx(judged.figures["north"]["auc"])
    assert (run.data.params["split_id"], run.info.status) == ("s1", "FINISHED")
    assert files == {
        *(f"model/partition={region}.onnx" for region in REGIONS),
        *(f"plots/{kind}.png" for kind in ("roc", "precision_recall", "calibration")),
    }


def test_a_good_candidate_is_promoted_deployed_and_answers(judged_shop):
    shop, judged = judged_shop[0].elsewhere(), judged_shop[1]

    report = deploy(shop.context, MODEL, "1")

    assert judged.promoted, judged.refusals
    assert (report.version, report.previous, report.changed) == ("1", None, True)
    loaded = answering(shop).loaded
    assert loaded.manifest.inputs == VECTOR
    assert loaded.manifest.partitions["north"].metrics["auc"] == judged.figures["north"]["auc"]
    assert (loaded.manifest.run_id, loaded.manifest.split_id) == (judged.run_id, "s1")
    assert shop.context.registry.champion(MODEL).version == "1"


def test_one_bad_partition_holds_back_the_whole_version_until_the_gate_does_not_block(shop):
    frame, blind = rows(), rows(told=0.0)
    south = frame.region == "south"
    frame.loc[south, "label"] = blind.loc[south, "label"]
    shop.fill(frame)
    run = train(shop.context, MODEL)
    judged = evaluate(shop.context, MODEL)

    with pytest.raises(GuardError, match=r"south: auc_gain over the baseline: expected at least 0\.02, found"):
        deploy(shop.context, MODEL)

    assert (judged.run_id, judged.promoted, sorted(judged.refusals)) == (run.run_id, False, ["south"])
    assert shop.context.registry.champion(MODEL) is None
    assert answering(shop).loaded is None

    shop.context.clock.advance(1)
    told = evaluate(shop.but(gate=OPEN).context, MODEL)

    assert told.promoted
    assert sorted(told.refusals) == ["south"]
    assert deploy(shop.context, MODEL).version == "1"


def test_deploying_a_version_again_changes_nothing_and_mends_what_was_broken(judged_shop):
    shop = judged_shop[0].elsewhere()
    deploy(shop.context, MODEL, "1")
    keys, redis = shop.context.keys, shop.context.redis
    content = redis.get(keys.artefact(MODEL, "1", "north"))
    manifest = redis.get(keys.manifest(MODEL, "1"))
    redis.set(keys.artefact(MODEL, "1", "north"), content[:-1] + bytes([content[-1] ^ 1]))
    assert answering(shop).loaded is None

    report = deploy(shop.context, MODEL, "1")

    assert not report.changed
    assert redis.get(keys.manifest(MODEL, "1")) == manifest
    assert answering(shop).loaded.manifest.version == "1"


def test_a_second_version_is_compared_with_the_champion_deployed_and_reverted(judged_shop):
    shop = judged_shop[0].elsewhere()
    deploy(shop.context, MODEL, "1")
    more = shop.but(algorithm={"strategy": "lightgbm", "parameters": {"n_estimators": 60, "num_leaves": 7}})
    more.context.keys = shop.context.keys
    second = evaluate(more.context, MODEL, train(more.context, MODEL).run_id)

    deployed = deploy(more.context, MODEL)
    reverted = revert_model(more.context, MODEL)

    assert second.champion == "1"
    assert "champion_auc_gain" in second.figures["north"]
    assert (deployed.version, deployed.previous) == ("2", "1")
    assert (reverted.version, reverted.previous) == ("1", "2")
    assert answering(shop).loaded.manifest.version == "1"
    assert shop.context.registry.champion(MODEL).version == "1"


def test_without_a_version_before_there_is_nothing_to_revert_to(judged_shop):
    with pytest.raises(GuardError, match="expected a version that answered before, found none"):
        revert_model(judged_shop[0].elsewhere().context, MODEL)


def test_a_version_that_nobody_made_cannot_be_deployed(judged_shop):
    with pytest.raises(GuardError, match="expected version 9, found 1"):
        deploy(judged_shop[0].context, MODEL, "9")


def test_batch_scores_equal_the_online_scorer_bit_by_bit_and_are_written_once(judged_shop):
    shop, frame = judged_shop[0].elsewhere(), rows()
    deploy(shop.context, MODEL, "1")

    reports = [score(shop.context, MODEL, from_ms) for from_ms in (2_300_000, None, None)]

    loaded = answering(shop).loaded
    found = shop.context.tables.read(f"scores_{MODEL}").collect()
    learnt = frame[:1_400].dropna(subset="label")
    assert [report.added for report in reports] == [100, len(found) - 100, 0]
    assert len(found) == len(frame) - len(learnt)
    assert {row["prediction_id"] for row in found} == set(frame.prediction_key) - set(learnt.prediction_key)
    for row in found[:300]:
        asked = json.loads(row["answer"])
        assert list(asked["values"]) == VECTOR
        assert row["score"] == loaded.scorer(row["partition_key"]).score([list(asked["values"].values())])[0]
        assert (row["model_version"], row["scored_ms"]) == ("1", 1_000)
        assert row["append_ms"] == asked["t_ms"] + 7


SELECT = [{"strategy": "variance"}, {"strategy": "mutual_information", "parameters": {"keep": 2}}]


def test_each_partition_is_trained_judged_deployed_and_scored_on_the_values_selected_for_it(shop, tracking):
    frame = rows(size=1_800)
    frame.loc[frame.region == "south", "by_buyer__price_mean_1h"] = 1.0  # tells nothing there
    shop.fill(frame)
    chosen = shop.but(select=SELECT, gate=OPEN)
    trained = train(chosen.context, MODEL)
    judged = evaluate(chosen.context, MODEL, trained.run_id)
    deploy(chosen.context, MODEL, judged.version)
    score(chosen.context, MODEL, 1_700_000)

    loaded, models = answering(chosen).loaded, chosen.context.tables.read(f"candidates_{MODEL}").collect()
    assert trained.selected["north"] == ["price", "by_buyer__price_mean_1h"]
    assert trained.selected["south"][0] == "price"
    assert "by_buyer__price_mean_1h" not in trained.selected["south"]
    assert loaded.manifest.inputs == VECTOR
    assert {key: one.inputs for key, one in loaded.manifest.partitions.items()} == trained.selected
    content = {row["partition_key"]: OnnxScorer(bytes(row["content"])) for row in models}
    assert [content[region].width for region in REGIONS] == [2, 2]
    found = chosen.context.tables.read(f"scores_{MODEL}").collect()
    assert len(found) == 100
    for row in found:
        values = json.loads(row["answer"])["values"]
        assert list(values) == VECTOR
        taken = [values[name] for name in trained.selected[row["partition_key"]]]
        assert row["score"] == content[row["partition_key"]].score([taken])[0]
    written = json.loads(Path(MlflowClient(tracking).download_artifacts(trained.run_id, "selection.json")).read_text())
    assert {key: one["inputs"] for key, one in written.items()} == trained.selected
    assert written["south"]["scores"]["1 variance"]["by_buyer__price_mean_1h"] == 0


def test_nothing_is_scored_before_a_deployment_nor_by_an_artefact_with_a_byte_changed(judged_shop):
    shop = judged_shop[0].elsewhere()
    with pytest.raises(GuardError, match="expected a deployed version, found none"):
        score(shop.context, MODEL)
    deploy(shop.context, MODEL, "1")
    key = shop.context.keys.artefact(MODEL, "1", "south")
    content = shop.context.redis.get(key)
    shop.context.redis.set(key, bytes([content[0] ^ 1]) + content[1:])

    with pytest.raises(ArtefactError, match="partition south: expected SHA-256"):
        score(shop.context, MODEL)
