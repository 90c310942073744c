"""The curves of a run: losses, learning rate, speed and metrics as charts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from raypose.training.evaluation import lower_is_better
from raypose.visualization import Chart
from raypose.visualization.charts import NUM_COLORS

Rows = Sequence[Mapping[str, float]]

# Columns that are neither losses nor metrics.
_OTHER = frozenset({"step", "epoch", "lr", "samples/s", "replaced", "skipped"})
# Losses that fall by more than this factor are drawn by factors.
_STEEP = 20.0


def training_charts(rows: Rows) -> list[Chart]:
    """Return the charts of losses, learning rate and speed over the steps of a run.

    Args:
        rows: of `log.csv`; those that have an `lr` are about training.
    """
    noted = [row for row in rows if "lr" in row]
    names = [name for name in _columns(noted) if name not in _OTHER and not _is_metric(name, rows)]
    charts = []
    for title, group in _loss_groups(names):
        values = [row[name] for row in noted for name in group if row.get(name, 0.0) > 0]
        steep = bool(values) and max(values) > _STEEP * min(values)
        charts.append(_chart(title, "step", noted, group, log=steep))
    if any(row["lr"] for row in noted):
        charts.append(_chart("Learning rate", "step", noted, ["lr"]))
    if any("samples/s" in row for row in noted):
        charts.append(_chart("Samples a second", "step", noted, ["samples/s"]))
    return charts


def metric_charts(rows: Rows, main: str | None) -> list[Chart]:
    """Return the charts of metrics over the epochs of a run, that of the main one first.

    Args:
        rows: of `log.csv`.
        main: the metric that decides which checkpoint is best.
    """
    measured = [row for row in rows if "epoch" in row]
    names = [name for name in _columns(rows) if name not in _OTHER and _is_metric(name, rows)]
    groups: dict[tuple[str, bool], list[str]] = {}
    for name in names:
        # Errors in pixels and shares of 1 have no axis in common.
        prefix = name.rpartition("/")[0]
        groups.setdefault((prefix, lower_is_better(name)), []).append(name)
    parts = [
        group[i : i + NUM_COLORS]
        for group in groups.values()
        for i in range(0, len(group), NUM_COLORS)
    ]
    parts.sort(key=lambda part: main not in part)
    return [_chart(", ".join(part), "epoch", measured, part) for part in parts]


def _columns(rows: Rows) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))


def _is_metric(name: str, rows: Rows) -> bool:
    return any(name in row for row in rows if "lr" not in row)


def _loss_groups(names: Sequence[str]) -> list[tuple[str, list[str]]]:
    """Return titles and names: all losses together, further numbers of the heads after them."""
    losses = sorted(name for name in names if name.startswith("loss"))
    if len(losses) == 2 and losses[0] == "loss":
        losses = losses[:1]  # the only part is the whole
    others = [name for name in names if not name.startswith("loss")]
    groups = [
        ("Loss" if start == 0 else "Further losses", losses[start : start + NUM_COLORS])
        for start in range(0, len(losses), NUM_COLORS)
    ]
    # What a head measures beside its loss has scales of its own, as accuracies do.
    return groups + [(name, [name]) for name in others]


def _chart(title: str, x_label: str, rows: Rows, names: Sequence[str], log: bool = False) -> Chart:
    return Chart(
        title=title,
        x_label=x_label,
        series={
            name: [(row[x_label], row[name]) for row in rows if x_label in row and name in row]
            for name in names
        },
        log=log,
    )
