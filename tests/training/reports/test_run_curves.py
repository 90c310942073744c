"""Which numbers of a log are drawn together."""

from __future__ import annotations

from raypose.training.reports.run_curves import metric_charts, training_charts

ROWS = [
    {"step": 10, "epoch": 1, "loss": 50.0, "loss_a": 30.0, "loss_b": 20.0, "acc_pose": 0.1,
     "lr": 0.1, "samples/s": 90.0},
    {"step": 20, "epoch": 2, "loss": 1.0, "loss_a": 0.5, "loss_b": 0.5, "acc_pose": 0.6,
     "lr": 0.01, "samples/s": 95.0},
    {"step": 20, "epoch": 2, "coco/AP": 0.3, "coco/AR": 0.4, "EPE": 12.0, "PCK": 0.5},
    {"step": 40, "epoch": 4, "coco/AP": 0.5, "coco/AR": 0.6, "EPE": 6.0, "PCK": 0.7},
]  # fmt: skip


def test_losses_are_together_over_steps_and_steep_ones_by_factors() -> None:
    charts = {chart.title: chart for chart in training_charts(ROWS)}
    assert list(charts) == ["Loss", "acc_pose", "Learning rate", "Samples a second"]
    loss = charts["Loss"]
    assert loss.series == {
        "loss": [(10, 50.0), (20, 1.0)],
        "loss_a": [(10, 30.0), (20, 0.5)],
        "loss_b": [(10, 20.0), (20, 0.5)],
    }
    assert loss.log
    assert not charts["Learning rate"].log
    (flat, *_) = training_charts([{**row, "loss": 2.0} for row in ROWS[1:]])
    assert not flat.log


def test_a_loss_that_is_the_whole_is_drawn_once() -> None:
    rows = [{"step": 1, "epoch": 1, "loss": 2.0, "loss_kpt": 2.0, "lr": 0.1}]
    (chart, _) = training_charts(rows)
    assert list(chart.series) == ["loss"]


def test_metrics_of_one_scale_are_together_over_epochs_the_main_one_first() -> None:
    charts = metric_charts(ROWS, "EPE")
    assert [chart.title for chart in charts] == ["EPE", "coco/AP, coco/AR", "PCK"]
    assert charts[0].series == {"EPE": [(2, 12.0), (4, 6.0)]}
    assert charts[0].x_label == "epoch"


def test_no_more_lines_than_colours() -> None:
    losses = {f"loss_{i}": 1.0 for i in range(6)}
    rows = [{"step": 1, "epoch": 1, **losses, "lr": 0.1}]
    assert [len(chart.series) for chart in training_charts(rows)] == [4, 2, 1]
    metrics = {f"PCK_{i}": 1.0 for i in range(5)}
    assert [len(c.series) for c in metric_charts([{"step": 1, "epoch": 1, **metrics}], None)] == [
        4,
        1,
    ]
