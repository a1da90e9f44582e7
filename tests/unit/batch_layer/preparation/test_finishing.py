import pyarrow as pa
from pyspark.sql import types as T  # noqa: N812 - as Spark's own documentation names it

from batch_layer.preparation.finishing import Finish

ASKED = pa.table(
    {"key": ["a", "b"], "_shop_key": ["x", None], "_who_key": ["y", "z"], "size": [1, None], "mean": [0.5, 2.5]}
)
FINISH = Finish(("key",), {"by_shop": "_shop_key", "by_who": "_who_key"}, ("size", "mean"), None)


def test_a_training_row_has_its_columns_in_order_and_the_entities_by_group():
    asked = ASKED.append_column("label", pa.array([1, None], pa.int32())).append_column(
        "label_known_ms", pa.array([9, None])
    )

    rows = FINISH.of(asked)

    assert rows.column_names == ["key", "entities", "size", "mean", "label", "label_known_ms"]
    assert [tuple(row.values()) for row in rows.to_pylist()] == [
        ("a", [("by_shop", "x"), ("by_who", "y")], 1, 0.5, 1, 9),
        ("b", [("by_shop", None), ("by_who", "z")], None, 2.5, None, None),
    ]


def test_rows_without_an_outcome_or_an_entity_have_none_and_nobody_is_lost():
    rows = Finish(("key",), {}, ("size",), None).of(ASKED)

    assert rows.column("entities").to_pylist() == [[], []]
    assert rows.column("label").to_pylist() == [None, None] == rows.column("label_known_ms").to_pylist()
    assert FINISH.of(ASKED.slice(0, 0)).num_rows == 0


def test_the_schema_is_that_of_the_rows():
    fields = [T.StructField(name, T.StringType()) for name in ("key", "_shop_key", "_who_key")]
    numbers = [T.StructField("size", T.LongType()), T.StructField("mean", T.DoubleType())]

    assert FINISH.schema(T.StructType([*fields, *numbers])).names == FINISH.of(ASKED).column_names
