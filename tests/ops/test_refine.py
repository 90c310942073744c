from __future__ import annotations

import pytest
import torch
from torch import Tensor

from raypose.ops import refine
from raypose.ops.blur import gaussian_blur, gaussian_blur1d
from raypose.ops.peaks import heatmap_maximum


def peaked_maps(P: int, background: float, seed: int = 0) -> Tensor:
    """Gaussians of different heights anywhere on maps (P, 32, 24), on a noisy background."""
    generator = torch.Generator().manual_seed(seed)
    center = torch.rand(P, 2, generator=generator) * torch.tensor([24.0, 32.0])
    x = torch.arange(24.0) - center[:, :1]
    y = torch.arange(32.0) - center[:, 1:]
    maps = torch.exp(-(x.square()[:, None] + y.square()[:, :, None]) / 8)
    maps *= torch.rand(P, 1, 1, generator=generator)
    return maps + background * torch.randn(P, 32, 24, generator=generator)


def newton(p: Tensor, wide: bool) -> tuple[Tensor, Tensor]:
    """Gradient and Hessian of a logarithm p (5, 5), rows first, at its centre."""
    step = 2 if wide else 1
    gradient = torch.stack([p[2, 3] - p[2, 1], p[3, 2] - p[1, 2]]) / 2
    dxx = (p[2, 2 + step] - 2 * p[2, 2] + p[2, 2 - step]) / step**2
    dyy = (p[2 + step, 2] - 2 * p[2, 2] + p[2 - step, 2]) / step**2
    if wide:
        dxy = (p[3, 3] - p[1, 3] - p[3, 1] + p[1, 1]) / 4
    else:
        dxy = (p[3, 3] - p[2, 3] - p[3, 2] + 2 * p[2, 2] - p[2, 1] - p[1, 2] + p[1, 1]) / 2
    return gradient, torch.stack([torch.stack([dxx, dxy]), torch.stack([dxy, dyy])])


def whole_map_step(point: Tensor, heatmap: Tensor, kernel: int, wide: bool) -> Tensor:
    """The step as the papers have it: blur the whole map, in double precision."""
    H, W = heatmap.shape
    x, y = point.long().tolist()
    if wide and not (1 < x < W - 2 and 1 < y < H - 2):
        return point
    low, high = (1e-10, float("inf")) if wide else (1e-3, 50.0)
    logs = gaussian_blur(heatmap[None], kernel)[0].double().clamp(low, high).log()
    padded = torch.nn.functional.pad(logs[None], (2, 2, 2, 2), mode="replicate")[0]
    gradient, hessian = newton(padded[y : y + 5, x : x + 5], wide)
    return point - torch.linalg.solve(hessian, gradient).float()


@pytest.mark.parametrize("background", [0.0, 1e-4, 0.01])
@pytest.mark.parametrize("kernel", [3, 11])
@pytest.mark.parametrize("wide", [True, False])
def test_the_patch_around_a_peak_gives_what_the_whole_map_gives(
    wide: bool, kernel: int, background: float
) -> None:
    maps = peaked_maps(60, background)
    cells, _ = heatmap_maximum(maps)
    function = refine.refine_keypoints_dark if wide else refine.refine_keypoints_dark_udp

    got = function(cells, maps, torch.arange(60), kernel)

    want = torch.stack(
        [whole_map_step(c, m, kernel, wide) for c, m in zip(cells, maps, strict=True)]
    )
    steps = (want - cells).abs().amax(dim=1)
    well_posed = steps < 1  # elsewhere the ground is flat and rounding decides
    assert well_posed.sum() > 40
    torch.testing.assert_close(got[well_posed], want[well_posed], rtol=0, atol=2e-3)


def test_several_points_may_share_a_map() -> None:
    maps = peaked_maps(2, 0.01)
    cells = torch.tensor([[5.0, 6.0], [12.0, 20.0], [5.0, 6.0]])
    index = torch.tensor([0, 1, 0])

    for function, arguments in (
        (refine.refine_keypoints, ()),
        (refine.refine_keypoints_dark, (11,)),
        (refine.refine_keypoints_dark_udp, (11,)),
    ):
        together = function(cells, maps, index, *arguments)
        for i in range(3):
            alone = function(cells[i : i + 1], maps, index[i : i + 1], *arguments)
            assert torch.equal(together[i : i + 1], alone)
        assert torch.equal(together[0], together[2])


def test_a_quarter_cell_towards_the_larger_neighbour() -> None:
    heatmaps = torch.zeros(1, 6, 6)
    heatmaps[0, 2, 3], heatmaps[0, 3, 2] = 0.5, 0.4
    points = torch.tensor([[2.0, 2.0], [4.0, 4.0], [5.0, 2.0], [-1.0, -1.0]])

    moved = refine.refine_keypoints(points, heatmaps, torch.zeros(4, dtype=torch.long))

    # Towards both; level ground; on the border in x; no peak at all.
    assert moved.tolist() == [[2.25, 2.25], [4, 4], [5, 2], [-1, -1]]


def test_the_last_row_still_moves_in_x() -> None:
    heatmaps = torch.zeros(1, 6, 6)
    heatmaps[0, 5, 4] = 0.5

    moved = refine.refine_keypoints(
        torch.tensor([[3.0, 5.0]]), heatmaps, torch.zeros(1, dtype=torch.long)
    )

    assert moved.tolist() == [[3.25, 5.0]]


def test_dark_leaves_flat_ground_and_the_border_alone() -> None:
    flat = torch.zeros(1, 16, 16)  # clipped around the point, thus level
    flat[0, 2, 13] = 1
    index = torch.zeros(2, dtype=torch.long)
    points = torch.tensor([[8.0, 8.0], [1.0, 8.0]])

    assert torch.equal(refine.refine_keypoints_dark(points, flat, index, 3), points)
    peaked = peaked_maps(1, 0.01)
    assert torch.equal(refine.refine_keypoints_dark(points[1:], peaked, index[1:], 3), points[1:])


def test_udp_has_nothing_to_restore_on_a_map_of_zeros() -> None:
    cells = torch.tensor([[-1.0, -1.0]])

    moved = refine.refine_keypoints_dark_udp(
        cells, torch.zeros(1, 8, 8), torch.zeros(1, dtype=torch.long), 3
    )

    assert moved.isnan().all()


def test_udp_without_a_peak_reads_before_the_map() -> None:
    maps = peaked_maps(6, 0.02).view(2, 3, 32, 24)
    H, W = 34, 26  # with an edge of one cell, in which the reference looks up flat positions
    logs = refine.udp_response(maps.flatten(0, 1), 5).view(2, 3, 32, 24)
    padded = torch.nn.functional.pad(logs, (1, 1, 1, 1), mode="replicate").flatten(1).double()

    placed = refine.place_udp_without_peak(maps, 5)

    for k in range(3):
        p = {d: padded[:, k * H * W + d] for d in (0, 1, W, W + 1, -1, -W, -W - 1)}
        gradient = torch.stack([p[1] - p[-1], p[W] - p[-W]], dim=-1) / 2
        dxx, dyy = p[1] - 2 * p[0] + p[-1], p[W] - 2 * p[0] + p[-W]
        dxy = (p[W + 1] - p[1] - p[W] + 2 * p[0] - p[-1] - p[-W] + p[-W - 1]) / 2
        hessian = torch.stack([dxx, dxy, dxy, dyy], dim=-1).view(2, 2, 2)
        hessian += torch.finfo(torch.float32).eps * torch.eye(2)
        want = -1 - torch.linalg.solve(hessian, gradient)
        torch.testing.assert_close(placed[:, k], want.float(), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("scale", [1.0, 1e-3])
def test_simcc_steps_on_the_whole_vector(scale: float) -> None:
    generator = torch.Generator().manual_seed(0)
    center = torch.rand(40, 1, generator=generator) * 100
    vectors = scale * torch.exp(-(torch.arange(100.0) - center).square() / 50)
    cells = vectors.argmax(dim=1).float()

    got = refine.refine_simcc_dark(cells, vectors, 29)

    logs = gaussian_blur1d(vectors, 29).double().clamp(1e-3, 50).log()
    p = torch.nn.functional.pad(logs, (2, 2), mode="replicate")
    at = cells.long()[:, None] + 2
    left2, left, middle, right, right2 = (p.gather(1, at + d)[:, 0] for d in (-2, -1, 0, 1, 2))
    step = (right - left) / 2 / (1e-9 + (right2 - 2 * middle + left2) / 4)
    steep = step.abs() < 2
    assert steep.sum() > 30 or scale < 1
    torch.testing.assert_close(got[steep], (cells - step).float()[steep], rtol=0, atol=2e-3)


def test_a_step_finds_the_top_of_a_gaussian() -> None:
    maps = torch.exp(
        -((torch.arange(24.0) - 11.3).square() + (torch.arange(32.0) - 14.8).square()[:, None]) / 8
    )[None]
    index, cell = torch.zeros(1, dtype=torch.long), torch.tensor([[11.0, 15.0]])

    for function in (refine.refine_keypoints_dark, refine.refine_keypoints_dark_udp):
        moved = function(cell, maps, index, 11)
        torch.testing.assert_close(moved, torch.tensor([[11.3, 14.8]]), rtol=0, atol=5e-3)
