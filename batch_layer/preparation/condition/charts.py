"""Small pictures as inline SVG: bars of a batch beside those of earlier batches, and a line from batch to batch. Pure."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTH, HEIGHT = 220, 56


def bars(names: Sequence[str], own: Sequence[float], earlier: Sequence[float]) -> str:
    """Return bars of shares: the batch's in colour, the earlier batches' as an outline behind; a name each as tooltip."""
    if not names:
        return ""
    top, step = max([*own, *earlier, 1e-12]), WIDTH / len(names)
    parts = []
    for place, (name, now, then) in enumerate(zip(names, own, earlier, strict=True)):
        left = place * step
        tip = escape(f"{name}: {now:.1%}, before {then:.1%}")
        parts.append(
            f"<g><title>{tip}</title>{_bar(left, step, then / top, 'then')}"
            f"{_bar(left + step * 0.2, step * 0.6, now / top, 'now')}</g>"
        )
    return _picture("".join(parts), "distribution")


def line(values: Sequence[float | None], title: str) -> str:
    """Return a line through values in their order, the last one marked; missing and infinite ones are left out."""
    shown = [(place, value) for place, value in enumerate(values) if value is not None and math.isfinite(value)]
    if len(shown) < 2:
        return ""
    low, high = min(value for _, value in shown), max(value for _, value in shown)
    span, step = (high - low) or 1.0, (WIDTH - 8) / max(len(values) - 1, 1)
    points = [(4 + place * step, HEIGHT - 6 - (value - low) / span * (HEIGHT - 12)) for place, value in shown]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    x, y = points[-1]
    drawn = f'<title>{escape(title)}: {low:,.4g} to {high:,.4g}</title><polyline points="{path}" class="line"/>'
    return _picture(f'{drawn}<circle cx="{x:.1f}" cy="{y:.1f}" r="3" class="now"/>', title)


def _bar(left: float, width: float, share: float, kind: str) -> str:
    height = share * (HEIGHT - 2)
    return f'<rect x="{left:.1f}" y="{HEIGHT - height:.1f}" width="{width:.1f}" height="{height:.1f}" class="{kind}"/>'


def _picture(content: str, label: str) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img" '
        f'aria-label="{escape(label)}">{content}</svg>'
    )
