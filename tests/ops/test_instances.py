from __future__ import annotations

import math

import pytest
import torch

from raypose.ops.instances import diagonal_lengths, instance_bbox, instance_root

POINTS = torch.tensor([[[1.0, 5.0], [4.0, 1.0], [100.0, 100.0]], [[7.0, 7.0]] * 3])
VISIBLE = torch.tensor([[1.0, 2.0, 0.0], [0.0, 0.0, 0.0]])


def test_boxes_hold_the_visible_keypoints() -> None:
    assert instance_bbox(POINTS, VISIBLE).tolist() == [[1, 1, 4, 5], [0, 0, 0, 0]]
    assert diagonal_lengths(POINTS, VISIBLE).tolist() == [5, 0]


@pytest.mark.parametrize(("kind", "root"), [("kpt_center", [2.5, 3]), ("bbox_center", [2.5, 3])])
def test_roots(kind: str, root: list[float]) -> None:
    roots, visible = instance_root(POINTS, VISIBLE, kind)

    assert roots.tolist() == [root, [0, 0]]
    assert visible.tolist() == [1, 0]


def test_the_two_kinds_of_root_differ() -> None:
    points = torch.tensor([[0.0, 0.0], [2.0, 0.0], [10.0, 6.0]])

    mean, _ = instance_root(points, torch.ones(3), "kpt_center")
    middle, _ = instance_root(points, torch.ones(3), "bbox_center")

    assert mean.tolist() == [4, 2]
    assert middle.tolist() == [5, 3]
    assert diagonal_lengths(points, torch.ones(3)).item() == pytest.approx(math.hypot(10, 6))


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="'kpt_center' or 'bbox_center', got 'center'"):
        instance_root(POINTS, VISIBLE, "center")
