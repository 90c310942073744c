from __future__ import annotations

import numpy as np
import pytest

from raypose.errors import DataError
from raypose.inference import CropStage, PoseStage
from raypose.models.detectors import Detections


def picture(*spots: tuple[int, int], radius: int = 1) -> np.ndarray:
    """Return a black image with bright squares around the given points."""
    image = np.zeros((64, 96, 3), np.uint8)
    for x, y in spots:
        image[y - radius : y + radius + 1, x - radius : x + radius + 1] = 200
    return image


def boxes_around(*spots: tuple[int, int]) -> Detections:
    """Return boxes 24x32 off the middle of each spot, with scores 0.9, 0.8, ..."""
    boxes = np.array([[x - 8, y - 10, x + 16, y + 22] for x, y in spots], np.float32)
    return Detections(
        boxes=boxes.reshape(-1, 4),
        scores=np.linspace(0.9, 0.5, 5, dtype=np.float32)[: len(spots)],
        labels=np.zeros(len(spots), np.int64),
    )


PEOPLE = [[(30, 30), (70, 25)], [], [(20, 40)], [(25, 20), (50, 30), (75, 40)]]


def test_each_box_gets_its_pose_in_its_image(spot_stage: PoseStage) -> None:
    images = [picture(*people) for people in PEOPLE]
    found = [boxes_around(*people) for people in PEOPLE]
    results = spot_stage(images, found)
    assert [len(poses) for poses in results] == [2, 0, 1, 3]
    for people, boxes, poses in zip(PEOPLE, found, results, strict=True):
        expected = np.array(people, np.float32).reshape(-1, 1, 2)
        np.testing.assert_allclose(poses.keypoints, expected, atol=1)
        np.testing.assert_array_equal(poses.bboxes, boxes.boxes)
        np.testing.assert_array_equal(poses.bbox_scores, boxes.scores)


def test_crops_of_several_images_share_full_batches(spot_stage: PoseStage) -> None:
    images = [picture(*people) for people in PEOPLE]
    spot_stage(images, [boxes_around(*people) for people in PEOPLE])
    assert spot_stage.estimator.calls == [4, 2]


@pytest.mark.parametrize("batch_size", [1, 3, 100])
def test_answers_do_not_depend_on_the_batch_size(spot_stage: PoseStage, batch_size: int) -> None:
    images = [picture(*people) for people in PEOPLE]
    found = [boxes_around(*people) for people in PEOPLE]
    other = PoseStage(spot_stage.estimator, spot_stage.crop, batch_size=batch_size)
    for one, two in zip(spot_stage(images, found), other(images, found), strict=True):
        np.testing.assert_array_equal(one.keypoints, two.keypoints)
        np.testing.assert_array_equal(one.keypoint_scores, two.keypoint_scores)


def test_nobody_is_invented(spot_stage: PoseStage) -> None:
    (poses,) = spot_stage([picture((30, 30))], [Detections.empty()])
    assert poses.keypoints.shape == (0, 1, 2)
    assert poses.keypoint_scores.shape == (0, 1)
    assert poses.bboxes is not None
    assert poses.bboxes.shape == (0, 4)
    assert spot_stage.estimator.calls == []
    assert spot_stage([], []) == []


@pytest.mark.parametrize(
    "box", [[30, 30, 30, 30], [40, 40, 30, 30], [-500, -500, -400, -400], [0, 0, 9e4, 9e4]]
)
def test_no_given_box_is_thrown_away(spot_stage: PoseStage, box: list[float]) -> None:
    given = Detections.from_boxes([box, [20, 20, 44, 52]])
    (poses,) = spot_stage([picture((30, 30))], [given])
    assert len(poses) == 2
    np.testing.assert_array_equal(poses.bboxes, given.boxes)
    assert np.isfinite(poses.keypoints).all()
    np.testing.assert_allclose(poses.keypoints[1, 0], [30, 30], atol=1)


def test_whole_images_take_no_boxes(whole_image_stage: PoseStage) -> None:
    results = whole_image_stage([picture((30, 30), radius=3), picture((60, 20), radius=3)])
    np.testing.assert_allclose(
        [poses.keypoints[0, 0] for poses in results], [[30, 30], [60, 20]], atol=4
    )
    assert whole_image_stage.estimator.calls == [2]


def test_what_does_not_fit_together(spot_stage: PoseStage) -> None:
    image = picture((30, 30))
    with pytest.raises(DataError, match="needs the boxes of each image"):
        spot_stage([image])
    with pytest.raises(DataError, match="got 1 images and the boxes of 2"):
        spot_stage([image], [Detections.empty()] * 2)
    with pytest.raises(DataError, match="0: boxes are finite numbers, got"):
        spot_stage([image], [Detections.from_boxes([[0, 0, np.nan, 1]])])
    dropping = PoseStage(spot_stage.estimator, CropStage(lambda sample, epoch: None))
    with pytest.raises(DataError, match="0:0: the validation pipeline drops it"):
        dropping([image], [Detections.from_boxes([[0, 0, 9, 9]])])
