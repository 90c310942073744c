"""`DecoupledHeatmap`: everybody's heatmaps, each person's own, and which people are drawn."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from raypose.codecs import DecoupledHeatmap
from raypose.errors import RayposeError

K = 4


def build(**options: Any) -> DecoupledHeatmap:
    return DecoupledHeatmap(**{"input_size": [96, 128], "heatmap_size": [24, 32], **options})


def people() -> tuple[Tensor, Tensor]:
    """Return keypoints (2, 3, K, 2) and visibility: three people, and one with padding."""
    shape = torch.tensor([[0.0, 0.0], [30.0, 4.0], [4.0, 40.0], [26.0, 36.0]])
    first = torch.stack([shape + 6, shape * 0.6 + 70, shape * 0.4 + torch.tensor([10.0, 90.0])])
    keypoints = torch.stack([first, torch.stack([shape + 30, shape * 0, shape * 0])])
    visible = torch.ones(2, 3, K)
    visible[1, 1:] = 0
    visible[0, 0, 3] = 0
    return keypoints, visible


def test_people_come_by_size_with_roots_moved_by_at_most_a_cell() -> None:
    keypoints, visible = people()
    seen = set()
    for _ in range(20):
        coords = build().encode(keypoints, visible)["instance_coords"]
        means = torch.stack([keypoints[0, n, visible[0, n] > 0].mean(0) / 4 for n in (2, 1, 0)])
        assert ((coords[0] - means).abs() < 2).all()
        assert coords[1, 1:].tolist() == [[-1, -1], [-1, -1]]
        seen.add(tuple(coords[0, 0].tolist()))
    assert len(seen) > 3


def test_own_heatmaps_are_those_of_the_person_alone() -> None:
    keypoints, visible = people()
    codec = build()

    targets = codec.encode(keypoints, visible)

    own = targets["instance_heatmaps"].unflatten(1, (3, K))
    for place, n in enumerate((2, 1, 0)):
        alone = codec.encode(keypoints[:1, n : n + 1], visible[:1, n : n + 1])
        torch.testing.assert_close(own[0, place], alone["instance_heatmaps"][0])
        torch.testing.assert_close(targets["keypoint_weights"][0, place], visible[0, n])
    torch.testing.assert_close(own[0].amax(0), targets["heatmaps"][0, :K])
    assert own[1, 1:].abs().max() == 0
    assert targets["keypoint_weights"][1, 1:].max() == 0
    assert all(value.isfinite().all() for value in targets.values())


def test_gaussians_grow_with_the_person() -> None:
    keypoints, visible = people()
    own = build().encode(keypoints, visible)["instance_heatmaps"].unflatten(1, (3, K))

    sums = own[0, :, 0].flatten(1).sum(1)

    assert (sums.diff() > 0).all()


def test_boxes_say_how_large_people_are() -> None:
    keypoints, visible = people()
    low, high = keypoints.amin(2), keypoints.amax(2)
    boxes = torch.cat([low, high], dim=-1)
    corners = torch.stack(
        [low, torch.stack([low[..., 0], high[..., 1]], -1), high * 0 + high, high], dim=2
    )
    corners[:, :, 2] = torch.stack([high[..., 0], low[..., 1]], -1)
    everything = torch.ones_like(visible)
    codec = build()

    by_keypoints, by_boxes, by_corners = (
        codec.encode(keypoints, everything, **known)["heatmaps"]
        for known in ({}, {"bboxes": boxes}, {"bboxes": corners})
    )

    torch.testing.assert_close(by_boxes, by_keypoints)
    torch.testing.assert_close(by_corners, by_keypoints)
    larger = codec.encode(keypoints, everything, bboxes=boxes + torch.tensor([-20, -20, 20, 20]))
    assert larger["heatmaps"].sum() > by_boxes.sum()


def test_nobody_is_drawn_twice_and_no_more_than_allowed() -> None:
    keypoints, visible = people()
    keypoints[0] = keypoints[0, :1]  # three people in one place

    found = torch.stack(
        [build().encode(keypoints, visible)["instance_coords"][0] for _ in range(20)]
    )

    for coords in found:
        cells = [tuple(cell) for cell in coords.tolist() if cell[0] >= 0]
        assert cells
        assert len(set(cells)) == len(cells)
    limited = build(encode_max_instances=2).encode(*people())
    assert limited["instance_heatmaps"].shape == (2, 2 * K, 32, 24)
    assert (limited["instance_coords"][..., 0] >= 0).sum(1).tolist() == [2, 1]


def test_an_image_without_people() -> None:
    keypoints, visible = people()
    targets = build().encode(keypoints[:, :0], visible[:, :0])

    assert targets["heatmaps"].shape == (2, K + 1, 32, 24)
    assert targets["heatmaps"].abs().max() == 0
    assert (targets["instance_coords"] == -1).all()


def test_decoding_reads_each_persons_heatmaps() -> None:
    keypoints, visible = people()
    codec = build()
    own = codec.encode(keypoints, visible)["instance_heatmaps"].unflatten(1, (3, K))
    roots = [torch.tensor([[0.5], [1.0], [0.25]]), torch.ones(0, 1)]

    points, scores = codec.decode([[own[0], own[1, :0]], roots])

    assert [len(part) for part in points] == [3, 0]
    for place, n in enumerate((2, 1, 0)):
        shown = visible[0, n] > 0
        # Half a cell, and one that windows of a fractional size are off by.
        torch.testing.assert_close(points[0][place][shown], keypoints[0, n, shown], atol=6, rtol=0)
        torch.testing.assert_close(scores[0][place][shown], roots[0][place].expand(K)[shown])


def test_an_unknown_root_is_refused() -> None:
    with pytest.raises(RayposeError, match="root_type of DecoupledHeatmap"):
        build(root_type="nose")
