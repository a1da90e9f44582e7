"""Every aggregation over a type of value, with settings that a few small numbers and times tell apart."""

from typing import Any

from lambda_core.features.aggregations import AGGREGATIONS, Aggregation, Number

_SETTINGS: dict[str, dict[str, dict[str, Any]]] = {
    "last_n": {"three": {"last": 3}, "fresh": {"last": 4, "expiry_ms": 2}},
    "histogram": {"bins": {"bins": (-3, 0.5, 4)}},
    "shares": {"bins": {"bins": (-1.005, 0.1, 2), "cell": 1}},
    "quantiles": {"low": {"bins": (-3, 0.5, 4), "quantile": 0.2}, "high": {"bins": (0.1, 1e12), "quantile": 0.999}},
    "distinct": {"coarse": {"precision": 4}, "fine": {"precision": 10}},
    "decayed_sum": {"slow": {"half_life_ms": 5}, "fresh": {"half_life_ms": 1, "expiry_ms": 1}},
    "latest": {"ever": {}, "fresh": {"expiry_ms": 1}},
}
_OF_STRINGS: dict[str, dict[str, dict[str, Any]]] = {
    "histogram": {"categories": {"categories": ("", "!", "a|b")}},
    "shares": {"categories": {"categories": ("", "!"), "cell": 2}},
}


def kinds_over(number: Number) -> dict[str, Aggregation]:
    """What there is over values of this type, by a name; a share looks at conditions, and is a mean of them."""
    return {
        "_".join(part for part in (name, word) if part): kind(number, **settings)
        for name, kind in AGGREGATIONS.items()
        if number.name in kind.numbers and name != "share"
        for word, settings in _settings(name, number).items()
    }


def adds_floats(aggregation: Aggregation) -> bool:
    """Whether the order of additions shows in the last bits of the state."""
    added = ("sum", "mean", "variance", "stddev")
    return aggregation.name == "decayed_sum" or (aggregation.number.name == "float" and aggregation.name in added)


def _settings(name: str, number: Number) -> dict[str, dict[str, Any]]:
    if number.name == "string" and name in _OF_STRINGS:
        return _OF_STRINGS[name]
    return _SETTINGS.get(name, {"": {}})
