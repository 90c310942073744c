from __future__ import annotations

import pytest
import torch

from raypose.ops import flips

FLIP = [0, 2, 1, 3]


def _random(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("mode", "fields"), [("heatmap", 1), ("udp_combined", 3), ("offset", 2)])
def test_flipping_heatmaps_twice_changes_nothing(mode: str, fields: int) -> None:
    heatmaps = _random(2, 4 * fields, 5, 6)
    before = heatmaps.clone()
    once = flips.flip_heatmaps(heatmaps, FLIP, mode, shift_heatmap=False)
    assert not torch.equal(once, heatmaps)
    torch.testing.assert_close(flips.flip_heatmaps(once, FLIP, mode, shift_heatmap=False), before)
    torch.testing.assert_close(heatmaps, before)


def test_a_peak_moves_to_its_partner_and_side() -> None:
    heatmaps = torch.zeros(1, 4, 3, 6)
    heatmaps[0, 1, 2, 1] = 1
    flipped = flips.flip_heatmaps(heatmaps, FLIP, shift_heatmap=False)
    assert flipped.nonzero().tolist() == [[0, 2, 2, 4]]
    shifted = flips.flip_heatmaps(heatmaps, FLIP)
    assert shifted.nonzero().tolist() == [[0, 2, 2, 5]]


def test_shift_keeps_column_zero() -> None:
    heatmaps = _random(1, 4, 2, 5)
    shifted = flips.flip_heatmaps(heatmaps, FLIP)
    mirrored = heatmaps.flip(-1)[:, FLIP]
    torch.testing.assert_close(shifted[..., 0], mirrored[..., 0])
    torch.testing.assert_close(shifted[..., 1:], mirrored[..., :-1])


def test_only_offsets_in_x_change_their_sign() -> None:
    offsets = torch.ones(1, 8, 2, 2)
    flipped = flips.flip_heatmaps(offsets, FLIP, "offset", shift_heatmap=False)
    assert flipped[0, :, 0, 0].tolist() == [-1, 1] * 4
    combined = flips.flip_heatmaps(torch.ones(1, 12, 2, 2), FLIP, "udp_combined")
    assert combined[0, :, 0, 0].tolist() == [1, -1, 1] * 4


def test_coordinates_and_vectors() -> None:
    coords = torch.tensor([[[0.1, 0.2], [0.3, 0.4], [0.5, 0.6], [0.7, 0.8]]])
    flipped = flips.flip_coordinates(coords, FLIP, False, (10, 20))
    want = torch.tensor([[[0.9, 0.2], [0.5, 0.6], [0.7, 0.4], [0.3, 0.8]]])
    torch.testing.assert_close(flipped, want)
    shifted = flips.flip_coordinates(coords, FLIP, True, (10, 20))
    torch.testing.assert_close(shifted, want - torch.tensor([0.1, 0.0]))
    torch.testing.assert_close(coords[0, 0], torch.tensor([0.1, 0.2]))
    x, y = _random(2, 4, 6), _random(2, 4, 8)
    once = flips.flip_vectors(x, y, FLIP)
    torch.testing.assert_close(once[1][:, 1], y[:, 2])
    torch.testing.assert_close(flips.flip_vectors(*once, FLIP), (x, y))


def test_results_of_a_batch_are_those_of_its_parts() -> None:
    heatmaps = _random(3, 4, 5, 6)
    whole = flips.flip_heatmaps(heatmaps, FLIP)
    parts = torch.cat([flips.flip_heatmaps(part, FLIP) for part in heatmaps.split(1)])
    torch.testing.assert_close(whole, parts)


def test_average_of_sizes() -> None:
    small, large = torch.full((1, 2, 3, 4), 1.0), torch.full((1, 2, 6, 8), 3.0)
    average = flips.aggregate_heatmaps([small, large])
    assert average.shape == (1, 2, 3, 4)
    torch.testing.assert_close(average, torch.full((1, 2, 3, 4), 2.0))
    joined = flips.aggregate_heatmaps([small, large], (8, 6), mode="concat")
    assert joined.shape == (1, 4, 6, 8)
    assert joined[0, :, 0, 0].tolist() == [1, 1, 3, 3]


def test_inverse_sigmoid() -> None:
    x = torch.linspace(-5, 5, 11)
    torch.testing.assert_close(flips.inverse_sigmoid(x.sigmoid()), x, rtol=1e-4, atol=1e-4)
    limits = flips.inverse_sigmoid(torch.tensor([-1.0, 0.0, 1.0, 2.0]))
    largest = torch.log(torch.tensor(1000.0)).item()
    assert limits.tolist() == pytest.approx([-largest, -largest, largest, largest], rel=1e-4)


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match=r"got 'heatmaps'\. Did you mean 'heatmap'"):
        flips.flip_heatmaps(_random(1, 4, 2, 2), FLIP, "heatmaps")
    with pytest.raises(ValueError, match="4 flip_indices do not fit 9 channels"):
        flips.flip_heatmaps(_random(1, 9, 2, 2), FLIP, "udp_combined")
    with pytest.raises(ValueError, match="flip_indices has 4 entries for 5 keypoints"):
        flips.flip_visibility(_random(1, 5), FLIP)
    with pytest.raises(ValueError, match="mode is 'average' or 'concat', got 'max'"):
        flips.aggregate_heatmaps([_random(1, 1, 2, 2)], mode="max")
