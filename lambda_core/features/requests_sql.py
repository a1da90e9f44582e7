"""Request features in Spark SQL: worked out from the asking event itself, the same in training rows and in requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lambda_core.config.project import RequestFeature

_TYPES = {"integer": "bigint", "float": "double", "string": "string"}


def request_feature_sql(feature: RequestFeature) -> str:
    """Return the Spark SQL of the feature's value over one cleaned row; null where it is no finite number.

    Example:
        >>> from lambda_core.config.project import RequestFeature
        >>> request_feature_sql(RequestFeature(expression="price * 2", type="integer"))
        'cast((price * 2) as bigint)'
    """
    value = f"cast(({feature.expression}) as {_TYPES[feature.type]})"
    return f"case when abs({value}) < double('Infinity') then {value} end" if feature.type == "float" else value
