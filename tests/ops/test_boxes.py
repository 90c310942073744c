from __future__ import annotations

import numpy as np
import pytest

from raypose.ops import boxes

BOXES = np.array([[10, 20, 50, 100], [0, 0, 7, 3], [5.5, 6.25, 5.5, 8]], np.float32)


def test_formats_are_inverses() -> None:
    np.testing.assert_allclose(boxes.bbox_xywh2xyxy(boxes.bbox_xyxy2xywh(BOXES)), BOXES)
    for padding in (1.0, 1.25):
        center, scale = boxes.bbox_xyxy2cs(BOXES, padding)
        np.testing.assert_allclose(boxes.bbox_cs2xyxy(center, scale, padding), BOXES, atol=1e-5)
        xywh = boxes.bbox_cs2xywh(center, scale, padding)
        again = boxes.bbox_xywh2cs(xywh, padding)
        np.testing.assert_allclose(again, (center, scale), atol=1e-5)
    np.testing.assert_array_equal(boxes.bbox_corner2xyxy(boxes.bbox_xyxy2corner(BOXES)), BOXES)


def test_center_and_scale_of_one_box() -> None:
    center, scale = boxes.bbox_xyxy2cs(BOXES[0], 1.25)
    np.testing.assert_allclose(center, [30, 60])
    np.testing.assert_allclose(scale, [50, 100])
    assert center.dtype == np.float32


def test_inputs_stay_as_they_were() -> None:
    before = BOXES.copy()
    for function in (boxes.bbox_xyxy2xywh, boxes.bbox_xywh2xyxy, boxes.bbox_xyxy2corner):
        function(BOXES)[:] = -1
    boxes.flip_bbox(BOXES, (64, 64), "xyxy")
    boxes.bbox_clip_border(BOXES, (4, 4))
    np.testing.assert_array_equal(BOXES, before)


def test_clip_keeps_the_far_border() -> None:
    clipped = boxes.bbox_clip_border(np.array([[-3.0, 2.0, 999.0, 999.0]]), (400, 300))
    np.testing.assert_array_equal(clipped, [[0, 2, 400, 300]])


@pytest.mark.parametrize("direction", boxes.FLIP_DIRECTIONS)
def test_flipping_twice_changes_nothing(direction: str) -> None:
    for bbox_format in ("xyxy", "xywh"):
        once = boxes.flip_bbox(BOXES, (64, 128), bbox_format, direction)
        assert not np.array_equal(once, BOXES)
        np.testing.assert_allclose(boxes.flip_bbox(once, (64, 128), bbox_format, direction), BOXES)


def test_flipped_xyxy_has_its_sides_in_order() -> None:
    flipped = boxes.flip_bbox(BOXES[:1], (64, 128), "xyxy", "diagonal")
    np.testing.assert_array_equal(flipped, [[13, 27, 53, 107]])


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ValueError, match=r"got 'horizontl'\. Did you mean 'horizontal'"):
        boxes.flip_bbox(BOXES, (4, 4), "xyxy", "horizontl")
    with pytest.raises(ValueError, match=r"bbox_format is .* got 'cxcywh'"):
        boxes.flip_bbox(BOXES, (4, 4), "cxcywh")
    with pytest.raises(ValueError, match=r"mode is .* got 'ciou'"):
        boxes.bbox_overlaps(BOXES, BOXES, "ciou")
    with pytest.raises(ValueError, match="got 3 and 2 of them"):
        boxes.bbox_overlaps(BOXES, BOXES[:2], is_aligned=True)


def test_overlaps_by_hand() -> None:
    one = np.array([[0.0, 0.0, 4.0, 4.0]])
    others = np.array([[2.0, 0.0, 6.0, 4.0], [10.0, 0.0, 14.0, 4.0]])
    np.testing.assert_allclose(boxes.bbox_overlaps(one, others), [[8 / 24, 0]])
    np.testing.assert_allclose(boxes.bbox_overlaps(one, others, "iof"), [[0.5, 0]])
    np.testing.assert_allclose(boxes.bbox_overlaps(one, others, "giou"), [[8 / 24, -24 / 56]])
    assert boxes.bbox_overlaps(one[:0], others).shape == (0, 2)


def test_aligned_overlaps_are_the_diagonal() -> None:
    rng = np.random.default_rng(0)
    first, second = (np.sort(rng.uniform(0, 9, (2, 6, 2, 2)), axis=2)).reshape(2, 6, 4)
    for mode in ("iou", "iof", "giou"):
        pairs = boxes.bbox_overlaps(first, second, mode)
        aligned = boxes.bbox_overlaps(first, second, mode, is_aligned=True)
        np.testing.assert_allclose(aligned, np.diag(pairs))
