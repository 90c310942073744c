"""Targets as pictures: the strongest colour is where the keypoint is."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from raypose.codecs import SPR, MSRAHeatmap, SimCCLabel
from raypose.inspection.target_pictures import target_pictures

INPUT = np.full((64, 48, 3), 90, np.uint8)
POINT = torch.tensor([[[[30.0, 20.0]]]])


def hottest(image: np.ndarray) -> tuple[int, int]:
    """Return (x, y) of the middle of what has changed most."""
    change = np.abs(image.astype(int) - INPUT).sum(axis=2)
    rows, columns = np.nonzero(change >= 0.95 * change.max())
    return round(columns.mean()), round(rows.mean())


def test_heatmaps_lie_over_the_input() -> None:
    codec = MSRAHeatmap(input_size=(48, 64), heatmap_size=(12, 16), sigma=1, unbiased=True)
    ((name, image),) = target_pictures(codec.encode(POINT), INPUT)
    assert name == "heatmaps"
    assert image.shape == INPUT.shape
    assert hottest(image) == pytest.approx((30, 20), abs=1)


def test_labels_of_simcc_are_multiplied() -> None:
    codec = SimCCLabel(input_size=(48, 64), sigma=6.0, simcc_split_ratio=2.0)
    ((name, image),) = target_pictures(codec.encode(POINT), INPUT)
    assert name == "x and y labels"
    assert hottest(image) == pytest.approx((30, 20), abs=1)


def test_all_instances_and_their_roots() -> None:
    codec = SPR(
        input_size=(48, 64), heatmap_size=(12, 16), sigma=(1, 1), generate_keypoint_heatmaps=True
    )
    points = torch.tensor([[[[5.0, 5.0], [20.0, 20.0]], [[40.0, 50.0], [30.0, 60.0]]]])
    ((name, image),) = target_pictures(codec.encode(points), INPUT)
    assert name == "heatmaps"
    change = np.abs(image.astype(int) - INPUT).sum(axis=2)
    assert min(change[y, x] for x, y in ((6, 6), (22, 22), (42, 50), (30, 58))) > 20


def test_levels_and_depths_are_one_picture() -> None:
    volume = torch.zeros(1, 2, 3, 16, 12)
    volume[0, 1, 2, 5, 7] = 1
    ((_, image),) = target_pictures({"heatmaps": volume}, INPUT)
    assert hottest(image) == pytest.approx((28, 20), abs=1)


def test_what_is_no_image_is_not_shown() -> None:
    targets = {
        "keypoint_labels": torch.zeros(1, 1, 1, 2),
        "heatmaps": [1, 2],
        "heatmap_weights": torch.ones(1, 1, 16, 12),
        "keypoint_x_labels": torch.ones(1, 1, 1, 96),
    }
    assert target_pictures(targets, INPUT) == []
