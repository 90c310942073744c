"""Ending a run that does not get better: `train.early_stop`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from raypose.config.sections import EarlyStopSection
from raypose.training.evaluation import lower_is_better


def has_stalled(
    section: EarlyStopSection, history: Sequence[Mapping[str, float]], metric: str
) -> bool:
    """Return whether the last `patience` validations were no better than those before them.

    Args:
        section: how long to wait, and by how much a value must beat the best to count.
        history: numbers of each epoch so far; those of a validation have the metric. It is in the
            checkpoint, so a resumed run stops where it would have.
        metric: its name; whether lower is better follows from it.
    """
    sign = -1 if lower_is_better(metric) else 1
    best, waited = float("-inf"), 0
    for value in (sign * row[metric] for row in history if metric in row):
        if value > best + section.min_delta or (best == float("-inf") and value == value):
            best, waited = value, 0
        else:
            waited += 1
    return waited >= section.patience
