"""`MegviiHeatmap` where the reference numbers do not look: borders, ties, hand-made maps."""

from __future__ import annotations

import pytest
import torch

from raypose.codecs import MegviiHeatmap


def build(kernel_size: int = 3) -> MegviiHeatmap:
    return MegviiHeatmap([32, 32], [8, 8], kernel_size)


def test_a_small_kernel_by_hand() -> None:
    heatmaps = build().encode(torch.tensor([[[[13.0, 18.0]]]]))["heatmaps"][0, 0]
    want = torch.zeros(8, 8)
    profile = torch.tensor([0.5, 1.0, 0.5])
    want[3:6, 2:5] = 255 * profile[:, None] * profile
    torch.testing.assert_close(heatmaps, want)


def test_the_border_mirrors() -> None:
    heatmaps = build().encode(torch.tensor([[[[4.0, 16.0]]]]))["heatmaps"][0, 0]
    # Seen from column 0, column 1 lies on both sides.
    torch.testing.assert_close(heatmaps[4, :4], 255 * torch.tensor([1.0, 1.0, 0.5, 0.0]))


@pytest.mark.parametrize(
    ("point", "weight"), [((-3.9, 0.0), 1), ((-4.0, 0.0), 0), ((31.9, 31.9), 1), ((32.0, 5.0), 0)]
)
def test_points_belong_to_cells_rounded_towards_zero(
    point: tuple[float, float], weight: float
) -> None:
    targets = build().encode(torch.tensor([[[point]]]))
    assert targets["keypoint_weights"].item() == weight
    assert targets["heatmaps"].amax().item() == 255 * weight


def test_a_symmetric_peak_is_the_middle_of_its_cell() -> None:
    codec = build(5)
    point = torch.tensor([[[[14.0, 18.0]]]])
    keypoints, scores = codec.decode(codec.encode(point)["heatmaps"])
    assert keypoints.tolist() == [[[[14.0, 18.0]]]]
    assert scores.item() == pytest.approx(1.5)


@pytest.mark.parametrize(("x", "y"), [(1, 0), (-1, 0), (0, 1), (0, -1), (1, -1)])
def test_the_larger_neighbour_draws_the_peak(x: int, y: int) -> None:
    heatmaps = torch.zeros(1, 1, 8, 8)
    heatmaps[0, 0, 4, 4] = 100
    heatmaps[0, 0, 4 + y, 4 + x] += 20
    keypoints, _ = build().decode(heatmaps)
    assert keypoints.tolist() == [[[[4 * (4.5 + 0.25 * x), 4 * (4.5 + 0.25 * y)]]]]


def test_peaks_at_the_border_stay() -> None:
    heatmaps = torch.zeros(1, 1, 8, 8)
    heatmaps[0, 0, 4, 1] = 100
    keypoints, _ = build().decode(heatmaps)
    assert keypoints.tolist() == [[[[4.0, 16.0]]]]
