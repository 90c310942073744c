"""Labels on pictures: colours at the places of keypoints by their visibility."""

from __future__ import annotations

import numpy as np
import pytest

from raypose.inspection.label_pictures import LabelPicture, plot_frames
from raypose.inspection.visibility import HIDDEN
from raypose.structures import Skeleton

RED = Skeleton.load(
    {
        "name": "pair",
        "keypoints": [{"name": "a", "color": [255, 0, 0]}, {"name": "b", "color": [0, 0, 255]}],
    }
)
LIMB = Skeleton.load(
    {
        "name": "limb",
        "keypoints": ["a", "b"],
        "links": [{"link": ["a", "b"], "color": [0, 255, 0]}],
    }
)


def picture(visibility: tuple[float, float], **more: object) -> LabelPicture:
    return LabelPicture(
        image=np.full((60, 100, 3), 128, np.uint8),
        keypoints=np.array([[(20, 30), (80, 30)]], np.float32),
        visibility=np.array([visibility], np.float32),
        **more,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("visibility", "first", "second"),
    [
        ((1, 1), (0, 0, 255), (255, 0, 0)),
        ((HIDDEN, 1), (20, 20, 20), (255, 0, 0)),
        ((0, HIDDEN), (128, 128, 128), (20, 20, 20)),
    ],
)
def test_discs_rings_and_nothing(
    visibility: tuple[float, float], first: tuple[int, ...], second: tuple[int, ...]
) -> None:
    drawn = picture(visibility).draw(RED, (100, 60))
    assert drawn.shape == (60, 100, 3)
    assert tuple(drawn[30, 20]) == first
    assert tuple(drawn[30, 80]) == second
    # A ring has the colour of its keypoint.
    if visibility[0] == HIDDEN:
        assert drawn[30, 16:25, 2].max() > 200


def test_limbs_of_labelled_keypoints() -> None:
    assert tuple(picture((HIDDEN, 1)).draw(LIMB, (100, 60))[30, 50]) == (0, 255, 0)
    assert tuple(picture((0, 1)).draw(LIMB, (100, 60))[30, 50]) == (128, 128, 128)


def test_a_picture_is_drawn_as_large_as_fits() -> None:
    drawn = picture((1, 1)).draw(RED, (400, 400))
    assert drawn.shape == (240, 400, 3)
    assert tuple(drawn[120, 80]) == (0, 0, 255)
    assert tuple(drawn[120, 320]) == (255, 0, 0)


def test_boxes_and_the_outline_of_the_crop() -> None:
    outline = np.array([(40, 10), (60, 10), (60, 50), (40, 50)], np.float32)
    boxes = np.array([[10, 5, 90, 55]], np.float32)
    drawn = picture((0, 0), boxes=boxes, outline=outline).draw(RED, (100, 60))
    assert np.abs(drawn[10, 50].astype(int) - (0, 230, 255)).max() < 20
    assert tuple(drawn[5, 50]) != (128, 128, 128)
    assert tuple(drawn[30, 50]) == (128, 128, 128)


def test_near_instances_keeps_what_is_labelled() -> None:
    whole = LabelPicture(
        image=np.zeros((400, 600, 3), np.uint8),
        keypoints=np.array([[(300, 200), (340, 200)], [(10, 10), (20, 20)]], np.float32),
        visibility=np.array([[1, 1], [0, 0]], np.float32),
    )
    near = whole.near_instances()
    # 40 pixels and a quarter of them on each side.
    assert near.image.shape == (20, 60, 3)
    np.testing.assert_array_equal(near.keypoints[0], [(10, 10), (50, 10)])
    nobody = LabelPicture(image=whole.image, keypoints=whole.keypoints, visibility=np.zeros((2, 2)))
    assert nobody.near_instances() is nobody


@pytest.mark.parametrize(
    ("frames", "name"), [(1, "2D"), (3, "2D, 3 of 3 frames"), (27, "2D, 5 of 27 frames")]
)
def test_frames_fill_the_paper(frames: int, name: str) -> None:
    steps = np.linspace(0, 1000, frames)
    keypoints = np.stack([[(x, 500), (x + 500, 700)] for x in steps])
    told, drawn = plot_frames(keypoints, np.ones((frames, 2)), RED, (200, 100))
    assert told == name
    assert drawn.shape == (100, 200, 3)
    rows, columns = np.nonzero((drawn != 245).any(axis=2))
    assert rows.min() >= 4
    assert rows.max() <= 95
    assert columns.min() >= 10
    # Proportions stay: 200 x 500 units in 168 x 84 pixels.
    if frames == 1:
        discs = 11
        assert np.ptp(rows) == pytest.approx(0.84 * 200 / 500 * 200 + discs, abs=3)


def test_a_frame_without_labels_is_blank() -> None:
    _, drawn = plot_frames(np.zeros((1, 2, 2)), np.zeros((1, 2)), RED, (50, 50))
    assert (drawn == 245).all()
