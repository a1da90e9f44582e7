"""A model as an operator deploys it: the sigmoid of a hundredth of the amount, for every region."""

from __future__ import annotations

import redis
from onnx import TensorProto, helper

from lambda_core.config.project import Project
from lambda_core.features.definition import compile_definition
from lambda_core.models.artefact import sha256
from lambda_core.models.manifest import Artefact, Manifest
from lambda_core.repositories.model_store import RedisModelStore
from lambda_core.views.keyspace import Keyspace
from tests.crash.judging import WEIGHT
from tests.crash.project import FEATURE_SET, MODEL, NAME, REGION, declared


def deploy(client: redis.Redis) -> None:
    """Put the model into Redis, and let it answer, unless it does."""
    definition = compile_definition(Project.model_validate(declared()))
    names = definition.vector_names(FEATURE_SET)
    content = _sigmoid_of_first(len(names))
    manifest = Manifest(
        model=MODEL,
        version="1",
        feature_set=FEATURE_SET,
        feature_set_id=definition.feature_set_id(FEATURE_SET),
        definition_id=definition.id,
        inputs=names,
        partitions={REGION: Artefact(sha256(content), len(content))},
        run_id="run",
        split_id="split",
        created_ms=0,
    )
    store = RedisModelStore(client, Keyspace(NAME))
    store.put(manifest, {REGION: content})
    if store.model_pointer(MODEL) is None:
        store.flip(MODEL, None, "1")


def _sigmoid_of_first(width: int) -> bytes:
    nodes = [
        helper.make_node("Gather", ["vector", "zero"], ["first"], axis=1),
        helper.make_node("Mul", ["first", "weight"], ["product"]),
        helper.make_node("Sigmoid", ["product"], ["score"]),
    ]
    constants = [
        helper.make_tensor("zero", TensorProto.INT64, [1], [0]),
        helper.make_tensor("weight", TensorProto.FLOAT, [1], [WEIGHT]),
    ]
    inputs = [helper.make_tensor_value_info("vector", TensorProto.FLOAT, [None, width])]
    outputs = [helper.make_tensor_value_info("score", TensorProto.FLOAT, [None, 1])]
    graph = helper.make_graph(nodes, "sigmoid", inputs, outputs, constants)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)
    content: bytes = made.SerializeToString()
    return content
