"""From a partition's figures to the reasons why its model must not answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lambda_core.config.project import Gate


def reasons(rows: int, figures: Mapping[str, float], gate: Gate) -> list[str]:
    """Return what speaks against the candidate in one partition; empty when nothing does.

    1. It must have been judged on enough rows, with both outcomes among them.
    2. It must be ahead of the baseline by the gate's margins.
    3. The paired bootstrap intervals of both differences must lie above zero.
    4. It must not be surely worse than the champion: an interval that lies below zero.
    """
    positives = figures.get("positives", 0)
    if rows < gate.min_rows or not 0 < positives < rows:
        wanted_rows = f"expected at least {gate.min_rows} held-out rows with both outcomes"
        return [f"{wanted_rows}, found {rows} rows with {positives:.0f} ones"]
    wanted = {"auc_gain": gate.min_auc_gain, "log_loss_drop": gate.min_log_loss_drop}
    found = [
        f"{name} over the baseline: expected at least {least}, found {figures[name]:.4f}"
        for name, least in wanted.items()
        if not figures[name] >= least
    ]
    found += [
        f"{name} over the baseline: expected an interval above zero, found {_interval(figures, name)}"
        for name in wanted
        if not figures[f"{name}_low"] > 0
    ]
    found += [
        f"{name} over the champion: expected an interval that reaches zero, found {_interval(figures, name)}"
        for name in ("champion_auc_gain", "champion_log_loss_drop")
        if figures.get(f"{name}_high", 0.0) < 0
    ]
    return found


def _interval(figures: Mapping[str, float], name: str) -> str:
    return f"{figures[f'{name}_low']:.4f} to {figures[f'{name}_high']:.4f}"
