from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from raypose.ops.gaussians import (
    gaussian_heatmaps,
    udp_gaussian_heatmaps,
    unbiased_gaussian_heatmaps,
)

Draw = Callable[..., tuple[Tensor, Tensor]]
DRAWS = [gaussian_heatmaps, udp_gaussian_heatmaps, unbiased_gaussian_heatmaps]


def keypoints(N: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(2, N, 3, 2, generator=generator) * 24 - 2


def test_a_gaussian_by_hand() -> None:
    heatmaps, weights = gaussian_heatmaps(
        (20, 16), torch.tensor([[[[9.4, 6.6]]]]), torch.ones(1, 1, 1), 1.0
    )

    assert heatmaps.shape == (1, 1, 16, 20)
    assert weights.item() == 1
    for y in range(16):
        for x in range(20):
            dx, dy = x - 9, y - 7
            near = abs(dx) <= 3 and abs(dy) <= 3
            expected = math.exp(-(dx**2 + dy**2) / 2) if near else 0.0
            assert heatmaps[0, 0, y, x].item() == pytest.approx(expected, abs=1e-7)


def test_udp_shifts_the_centre_and_keeps_the_window() -> None:
    point = torch.tensor([[[[9.4, 6.6]]]])
    heatmaps, _ = udp_gaussian_heatmaps((20, 16), point, torch.ones(1, 1, 1), 1.0)
    plain, _ = gaussian_heatmaps((20, 16), point, torch.ones(1, 1, 1), 1.0)

    assert torch.equal(heatmaps > 0, plain > 0)
    assert heatmaps[0, 0, 8, 10].item() == pytest.approx(math.exp(-(0.6**2 + 1.4**2) / 2))


def test_unbiased_has_no_cut_off_and_no_denormals() -> None:
    heatmaps, _ = unbiased_gaussian_heatmaps(
        (40, 60), torch.tensor([[[[0.3, 0.7]]]]), torch.ones(1, 1, 1), 1.0
    )

    assert heatmaps[0, 0, 3, 5].item() == pytest.approx(math.exp(-(4.7**2 + 2.3**2) / 2))
    assert (heatmaps >= torch.finfo(torch.float32).tiny).all()
    assert heatmaps[0, 0, -1, -1] < 1e-17


@pytest.mark.parametrize("draw", DRAWS)
def test_instances_meet_at_the_larger_value(draw: Draw) -> None:
    points, visible = keypoints(4), torch.ones(2, 4, 3)

    together, _ = draw((20, 16), points, visible, 1.5)

    alone = [draw((20, 16), points[:, n : n + 1], visible[:, n : n + 1], 1.5)[0] for n in range(4)]
    assert torch.equal(together, torch.stack(alone).amax(dim=0))


@pytest.mark.parametrize("draw", DRAWS)
@pytest.mark.parametrize("N", [1, 4])
def test_samples_do_not_touch_each_other(draw: Draw, N: int) -> None:
    points, visible = keypoints(N), torch.ones(2, N, 3)

    together, _ = draw((20, 16), points, visible, 1.5)

    alone = [draw((20, 16), points[b : b + 1], visible[b : b + 1], 1.5)[0] for b in range(2)]
    assert torch.equal(together, torch.cat(alone))


@pytest.mark.parametrize("draw", DRAWS)
@pytest.mark.parametrize("N", [1, 4])
def test_drawing_reads_nothing_back_from_the_device(draw: Draw, N: int) -> None:
    # A meta tensor has no values: reading one, as a wait for a GPU would, raises.
    heatmaps, weights = draw(
        (20, 16), keypoints(N).to("meta"), torch.ones(2, N, 3, device="meta"), 1.5
    )

    assert (heatmaps.device.type, heatmaps.shape) == ("meta", (2, 3, 16, 20))
    assert weights.device.type == "meta"


@pytest.mark.parametrize("draw", DRAWS)
def test_weights_say_what_was_drawn(draw: Draw) -> None:
    points = torch.tensor([[[[5.0, 5.0], [-8.0, 5.0], [5.0, 5.0], [27.0, 5.0], [5.0, 23.0]]]])
    visible = torch.tensor([[[2.0, 1.0, 0.3, 1.0, 0.5]]])

    heatmaps, weights = draw((20, 16), points, visible, 1.0)

    # Too faint to draw keeps its weight; out of reach loses it.
    assert weights.tolist() == [[[2.0, 0.0, pytest.approx(0.3), 0.0, 0.0]]]
    assert heatmaps.flatten(2).amax(dim=2).gt(0.9).tolist() == [[True, False, False, False, False]]


def test_each_instance_may_have_its_sigma() -> None:
    points, visible = keypoints(3), torch.ones(2, 3, 3)
    sigmas = torch.tensor([[1.0, 2.0, 3.0], [2.5, 1.5, 1.0]])

    together, _ = gaussian_heatmaps((20, 16), points, visible, sigmas)

    for b in range(2):
        one = [
            gaussian_heatmaps(
                (20, 16), points[b : b + 1, n : n + 1], visible[:1, :1], float(sigmas[b, n])
            )[0][0]
            for n in range(3)
        ]
        torch.testing.assert_close(together[b], torch.stack(one).amax(dim=0))


def test_a_fraction_of_a_radius_truncates_the_window_as_the_reference_does() -> None:
    # 3 sigma = 4.5: the window of cell 2 starts at int(-2.5) = -2, and its peak is 5 later.
    heatmaps, _ = gaussian_heatmaps(
        (20, 1), torch.tensor([[[[2.0, 0.0]]]]), torch.ones(1, 1, 1), 1.5
    )

    assert heatmaps[0, 0].argmax(dim=-1).tolist() == [3]
