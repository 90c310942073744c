from __future__ import annotations

import torch

from raypose.ops.offset_maps import displacement_heatmap, offset_heatmap


def test_a_keypoint_belongs_to_its_last_instance() -> None:
    generator = torch.Generator().manual_seed(0)
    points = torch.rand(2, 3, 4, 2, generator=generator) * 12
    visible = torch.tensor(
        [[[1.0, 1, 0, 0], [1, 0, 1, 0], [0, 0, 1, 0]], [[0, 0, 0, 1], [0, 1, 0, 0], [1, 0, 0, 0.4]]]
    )
    last = [[1, 0, 2, None], [2, 1, None, 0]]

    maps, weights = offset_heatmap((12, 10), points, visible, 0.2)

    assert torch.equal(weights, visible)
    for b in range(2):
        for k in range(4):
            drawn = maps[b, 3 * k : 3 * k + 3]
            n = last[b][k]
            if n is None:
                assert drawn.abs().sum() == 0
                continue
            point = points[b : b + 1, n : n + 1, k : k + 1]
            alone, _ = offset_heatmap((12, 10), point, torch.ones(1, 1, 1), 0.2)
            assert torch.equal(drawn, alone[0])


def test_a_disc_is_cut_at_the_border() -> None:
    maps, _ = offset_heatmap((10, 10), torch.tensor([[[[0.2, -30.0]]]]), torch.ones(1, 1, 1), 0.3)
    near, _ = offset_heatmap((10, 10), torch.tensor([[[[0.2, -1.0]]]]), torch.ones(1, 1, 1), 0.3)

    assert maps[0, 0].sum() == 0
    expected = [[y, x] for y in range(10) for x in range(10) if (x - 0.2) ** 2 + (y + 1) ** 2 <= 9]
    assert torch.nonzero(near[0, 0]).tolist() == expected


def test_displacements_lead_from_the_root_and_the_smaller_instance_wins() -> None:
    points = torch.tensor([[[[2.0, 2.0]], [[9.0, 7.0]]]])
    roots = torch.tensor([[[4.0, 4.0], [5.0, 5.0]]])
    diagonals = torch.tensor([[10.0, 5.0]])
    ones = torch.ones(1, 2)

    ways, weights = displacement_heatmap(
        (12, 10), points, ones[..., None], roots, ones, diagonals, 2
    )

    for y in range(10):
        for x in range(12):
            first, second = 2 <= x < 6 and 2 <= y < 6, 3 <= x < 7 and 3 <= y < 7
            way = (9 - x, 7 - y) if second else (2 - x, 2 - y) if first else (0, 0)
            weight = 0.2 if second else 0.1 if first else 0.0
            assert ways[0, :, y, x].tolist() == list(way)
            torch.testing.assert_close(weights[0, :, y, x], torch.full((2,), weight))


def test_instances_without_a_root_or_keypoint_are_left_out() -> None:
    points = torch.tensor([[[[2.0, 2.0], [3.0, 50.0]], [[9.0, 7.0], [1.0, 1.0]]]])
    roots = torch.tensor([[[4.0, 4.0], [8.0, 5.0]]])
    visible = torch.ones(1, 2, 2)

    ways, weights = displacement_heatmap(
        (12, 10), points, visible, roots, torch.tensor([[1.0, 0.0]]), torch.ones(1, 2), 2
    )

    assert ways[0, 2:].abs().sum() == weights[0, 2:].sum() == 0  # outside, and rootless
    assert weights[0, 0].sum() == 16
