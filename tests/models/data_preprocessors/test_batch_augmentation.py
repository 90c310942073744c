"""Batches of another size: targets move with the pixels, all processes agree."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from raypose.errors import ConfigError
from raypose.models.data_preprocessors import BatchSyncRandomResize
from raypose.models.estimators import BottomupPoseEstimator
from raypose.structures import PoseBatch
from tests.models.estimators.flat_network import BlockMeans


def batch() -> PoseBatch:
    return PoseBatch(
        targets={
            "keypoints": torch.tensor([[[[10.0, 20.0], [30.0, 40.0]]]]),
            "bboxes": torch.tensor([[[10.0, 20.0, 30.0, 40.0]]]),
            "areas": torch.tensor([[200.0]]),
            "heatmap_mask": torch.ones(1, 64, 128),
            "labels": torch.zeros(1, 1),
        }
    )


def test_targets_keep_their_place() -> None:
    step = BatchSyncRandomResize([96, 96], interval=1, size_divisor=32)
    inputs = torch.zeros(1, 3, 64, 128)
    assert step(inputs, batch())[0] is inputs  # the first batch keeps its size

    resized, moved = step(inputs, batch())

    assert resized.shape == (1, 3, 96, 192)
    assert moved.inputs is resized
    assert moved.targets["keypoints"].tolist() == [[[[15, 30], [45, 60]]]]
    assert moved.targets["bboxes"].tolist() == [[[15, 30, 45, 60]]]
    assert moved.targets["areas"].tolist() == [[450]]
    assert moved.targets["heatmap_mask"].shape == (1, 96, 192)
    assert moved.targets["labels"].tolist() == [[0]]


def test_pixels_move_with_the_targets() -> None:
    step = BatchSyncRandomResize([128, 128], interval=1)
    step.seen = 1
    inputs = torch.zeros(1, 1, 64, 64)
    inputs[..., 20:24, 40:44] = 1  # its middle is (42, 22)
    given = PoseBatch(targets={"keypoints": torch.tensor([[[[42.0, 22.0]]]])})

    resized, moved = step(inputs, given)

    y, x = (resized[0, 0] > 0.5).nonzero().float().mean(dim=0) + 0.5
    torch.testing.assert_close(moved.targets["keypoints"].flatten(), torch.stack([x, y]))


def test_all_processes_draw_the_same_sizes_within_the_range() -> None:
    inputs = torch.zeros(1, 1, 64, 64)
    drawn = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        step = BatchSyncRandomResize([64, 128], interval=2, size_divisor=32)
        drawn.append([tuple(step(inputs, PoseBatch())[0].shape[-2:]) for _ in range(40)])
    assert drawn[0] == drawn[1]
    assert set(drawn[0]) == {(64, 64), (96, 96), (128, 128)}
    assert all(drawn[0][i] == drawn[0][i + 1] for i in range(0, 40, 2))


@pytest.mark.parametrize("training", [True, False])
def test_an_estimator_resizes_while_it_trains(training: bool) -> None:
    head: dict[str, Any] = {
        "type": "AssociativeEmbeddingHead",
        "in_channels": 3,
        "num_keypoints": 2,
        "deconv_out_channels": None,
    }
    augment = {"type": "BatchSyncRandomResize", "random_size_range": [128, 128], "interval": 1}
    preprocessor = {"type": "PoseDataPreprocessor", "batch_augments": [augment]}
    estimator = BottomupPoseEstimator(BlockMeans(), head=head, data_preprocessor=preprocessor)
    estimator.train(training)
    raw = PoseBatch(inputs=torch.zeros(1, 3, 64, 64, dtype=torch.uint8))

    sizes = [estimator.preprocess_for_loss(raw)[0].shape[-1] for _ in range(2)]

    assert sizes == [64, 128 if training else 64]


@pytest.mark.parametrize(
    "options",
    [
        {"random_size_range": [640, 320]},
        {"random_size_range": [8, 320]},
        {"random_size_range": [64, 128], "interval": 0},
    ],
)
def test_ranges_that_hold_nothing_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"random_size_range is \[least, most\]"):
        BatchSyncRandomResize(**options)
