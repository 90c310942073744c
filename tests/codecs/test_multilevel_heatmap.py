"""`MultilevelHeatmap`: every level is what its codec makes alone; the last one decodes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from raypose.codecs import MultilevelHeatmap
from raypose.errors import RayposeError
from raypose.registry import CODECS
from raypose.structures import PoseBatch

SIZES = {"input_size": [96, 128], "heatmap_size": [24, 32]}
LEVELS = [
    {"type": "MegviiHeatmap", "kernel_size": 11},
    {"type": "MSRAHeatmap", "sigma": 2},
    {"type": "MegviiHeatmap", "kernel_size": 5},
]
POINTS = torch.tensor([[[[20.0, 30.0], [70.0, 90.0], [500.0, 3.0]]]])


def build(**changes: Any) -> MultilevelHeatmap:
    return CODECS.build({"type": "MultilevelHeatmap", "levels": LEVELS, **SIZES, **changes})


def test_levels_are_stacked() -> None:
    codec, visible = build(), torch.tensor([[[1.0, 0.0, 1.0]]])
    targets = codec.encode(POINTS, visible)
    assert targets["heatmaps"].shape == (1, 3, 3, 32, 24)
    assert targets["keypoint_weights"].tolist() == [[[1, 0, 0]] * 3]
    for i, level in enumerate(LEVELS):
        alone = CODECS.build({**level, **SIZES}).encode(POINTS, visible)
        assert torch.equal(targets["heatmaps"][:, i], alone["heatmaps"])


def test_wide_kernels_come_first() -> None:
    heatmaps = build().encode(POINTS)["heatmaps"][0, :, 0]
    assert (heatmaps[0] > 0).sum() > (heatmaps[2] > 0).sum()
    assert heatmaps[0].max() == heatmaps[2].max() == 255


def test_the_last_level_decodes() -> None:
    codec = build()
    heatmaps = torch.rand(2, 3, 32, 24, generator=torch.Generator().manual_seed(0))
    for got, want in zip(codec.decode(heatmaps), codec.levels[2].decode(heatmaps), strict=True):
        assert torch.equal(got, want)


def test_weights_of_keypoints_reach_all_levels() -> None:
    batch = PoseBatch(keypoints=POINTS, keypoints_visible=torch.ones(1, 1, 3))
    encoded = build().encode_batch(batch, torch.tensor([1.0, 2.0, 3.0]))
    assert encoded.targets["keypoint_weights"].tolist() == [[[1, 2, 0]] * 3]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: build(levels=[]), "at least one level"),
        (
            lambda: build(levels=[{**LEVELS[0], "heatmap_size": [48, 64]}]),
            r"have its heatmap_size \[24, 32\], MegviiHeatmap has \(48, 64\)",
        ),
        (lambda: build(levels=[{"type": "MegviiHeatmap"}]), "needs 'kernel_size'"),
        (lambda: build(levels=[{"type": "MegviiHeatmap", "kernel_size": 4}]), "is odd, got 4"),
    ],
)
def test_mistakes_are_named(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(RayposeError, match=message):
        make()
