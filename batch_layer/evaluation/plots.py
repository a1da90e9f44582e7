"""Pictures of a version for the registry: ROC, precision-recall and calibration, one line a partition."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    Curves = Mapping[str, Mapping[str, Mapping[str, list[list[float]]]]]
    """Partition -> model -> kind of curve -> two lists of points."""

AXES = {
    "roc": ("false positive rate", "true positive rate"),
    "precision_recall": ("recall", "precision"),
    "calibration": ("mean probability of a tenth of the rows", "share of ones"),
}
LEGENDS: dict[str, Literal["lower right", "lower left", "upper left"]] = {
    "roc": "lower right",
    "precision_recall": "lower left",
    "calibration": "upper left",
}
"""Where no good curve goes."""
LINES = 8
"""Partitions drawn at most: more lines are not told apart."""


def draw(curves: Curves, title: str) -> dict[str, bytes]:
    """Return one PNG a kind of curve, by file name; the candidate solid, the baseline dashed."""
    return {f"plots/{kind}.png": _draw(curves, kind, title) for kind in AXES}


def _draw(curves: Curves, kind: str, title: str) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # no window, nothing global
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 5), layout="tight")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    if kind != "precision_recall":
        axes.plot([0, 1], [0, 1], color="lightgrey", linewidth=1)
    for place, (partition, models) in enumerate(sorted(curves.items())[:LINES]):
        for model, style in (("candidate", "-"), ("baseline", "--")):
            if kind in models.get(model, {}):
                label = f"{partition} {model}"
                axes.plot(*models[model][kind], style, color=f"C{place}", label=label, linewidth=1.2)
    axes.set_xlabel(AXES[kind][0])
    axes.set_ylabel(AXES[kind][1])
    axes.set_title(title)
    axes.legend(fontsize="small", loc=LEGENDS[kind])
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=110)
    return content.getvalue()
