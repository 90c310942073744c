from __future__ import annotations

import math

import pytest
import torch

from raypose.ops import peaks


def test_the_first_maximum_in_row_major_order() -> None:
    heatmaps = torch.zeros(2, 1, 3, 4)
    heatmaps[0, 0, 1, 2] = heatmaps[0, 0, 2, 0] = 0.7

    locations, values = peaks.heatmap_maximum(heatmaps)

    assert locations.tolist() == [[[2, 1]], [[-1, -1]]]
    assert values.tolist() == [[pytest.approx(0.7)], [0]]


def test_the_maximum_of_a_volume() -> None:
    volumes = torch.zeros(1, 2, 3, 4, 5)
    volumes[0, 0, 2, 1, 4] = 2
    volumes[0, 1] = -1

    locations, values = peaks.heatmap_3d_maximum(volumes)

    assert locations.tolist() == [[[4, 1, 2], [-1, -1, -1]]]
    assert values.tolist() == [[2, -1]]


def test_simcc_takes_the_smaller_of_two_maxima() -> None:
    x, y = torch.tensor([[0.0, 3.0, 1.0]]), torch.tensor([[2.0, 0.5]])

    locations, values = peaks.simcc_maximum(x, y)
    _, probabilities = peaks.simcc_maximum(x, y, apply_softmax=True)

    assert locations.tolist() == [[1, 0]]
    assert values.tolist() == [2]
    first = math.exp(3) / (1 + math.e + math.exp(3))
    assert probabilities.item() == pytest.approx(min(first, 1 / (1 + math.exp(-1.5))))


def test_normalised_simcc_stays_within_one() -> None:
    simcc = torch.tensor([[-1.0, 0.5, 0.25], [4.0, 2.0, -1.0]])

    assert peaks.simcc_normalized(simcc).tolist() == [[0, 0.5, 0.25], [1, 0.5, 0]]
    halved = peaks.simcc_normalized(simcc, sigma=2 / math.sqrt(2 * math.pi))
    torch.testing.assert_close(halved, torch.tensor([[0, 0.25, 0.125], [1, 0.5, 0]]))


def test_suppression_keeps_maxima_and_plateaus() -> None:
    heatmaps = torch.tensor([[[[0.1, 0.9, 0.2, 0.0], [0.0, 0.3, 0.0, 0.5], [0.0, 0.0, 0.5, 0.1]]]])

    kept = peaks.heatmap_nms(heatmaps, 3)

    expected = torch.zeros(1, 1, 3, 4)
    expected[0, 0, 0, 1], expected[0, 0, 1, 3], expected[0, 0, 2, 2] = 0.9, 0.5, 0.5
    assert torch.equal(kept, expected)
    assert heatmaps[0, 0, 0, 0] == 0.1  # the input stays


def test_both_ways_to_the_same_result() -> None:
    generator = torch.Generator().manual_seed(0)
    # Few distinct values, so that there are ties; negative ones at the border as well.
    heatmaps = torch.randint(-3, 4, (2, 5, 12, 9), generator=generator).float()

    for size in (1, 3, 5):
        assert torch.equal(
            peaks._dilate_opencv(heatmaps, size), peaks._dilate_torch(heatmaps, size)
        )
    vectors = heatmaps.flatten(2)
    assert torch.equal(peaks._argmax_numpy(vectors), peaks._argmax_torch(vectors))


def test_views_that_are_not_contiguous() -> None:
    generator = torch.Generator().manual_seed(0)
    heatmaps = torch.randn(2, 12, 9, 5, generator=generator).permute(0, 3, 1, 2)
    copied = heatmaps.contiguous()

    assert torch.equal(peaks.heatmap_nms(heatmaps), peaks.heatmap_nms(copied))
    for got, want in zip(
        peaks.heatmap_maximum(heatmaps), peaks.heatmap_maximum(copied), strict=True
    ):
        assert torch.equal(got, want)


def test_an_even_window_is_refused() -> None:
    with pytest.raises(ValueError, match="odd, got 2"):
        peaks.heatmap_nms(torch.zeros(1, 1, 4, 4), 2)
