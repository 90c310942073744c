from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from raypose.errors import ConfigError, DataError
from raypose.inference import PoseStage, Predictor
from raypose.models.detectors import BaseDetector, Detections


class SpotDetector(BaseDetector):
    """Finds a box of 24x32 round each spot brighter than 150."""

    def detect(self, images: Sequence[np.ndarray]) -> list[Detections]:
        found = []
        for image in images:
            bright = (image[..., 0] > 150).astype(np.uint8)
            _, _, stats, middles = cv2.connectedComponentsWithStats(bright)
            boxes = [[x - 10, y - 12, x + 14, y + 20] for x, y in middles[1 : len(stats)]]
            found.append(Detections.from_boxes(boxes))
        return found


def picture(*spots: tuple[int, int]) -> np.ndarray:
    image = np.zeros((64, 96, 3), np.uint8)
    for x, y in spots:
        image[y - 1 : y + 2, x - 1 : x + 2] = 200
    return image


@pytest.fixture
def predictor(spot_stage: PoseStage) -> Predictor:
    return Predictor(spot_stage, detector=SpotDetector(), batch_size=4)


def test_a_folder_with_one_unreadable_file(predictor: Predictor, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), picture((20, 20), (60, 40)))
    (tmp_path / "b.png").write_bytes(b"broken")
    cv2.imwrite(str(tmp_path / "c.png"), picture())
    cv2.imwrite(str(tmp_path / "d.png"), picture((40, 30)))
    results = list(predictor(tmp_path))
    assert [Path(frame.source).name for frame, _ in results] == ["a.png", "b.png", "c.png", "d.png"]
    assert [len(poses) for _, poses in results] == [2, 0, 0, 1]
    assert [frame.error is None for frame, _ in results] == [True, False, True, True]
    np.testing.assert_allclose(results[0][1].keypoints[:, 0], [[20, 20], [60, 40]], atol=1)
    np.testing.assert_allclose(results[3][1].keypoints[:, 0], [[40, 30]], atol=1)


def test_a_video_is_worked_on_while_it_is_read(predictor: Predictor) -> None:
    read = 0

    def frames():
        nonlocal read
        for index in range(100):
            read += 1
            yield picture((20 + index // 2, 30))

    results = predictor(frames())
    frame, poses = next(results)
    assert (frame.index, read) == (0, 4)
    np.testing.assert_allclose(poses.keypoints[0, 0], [20, 30], atol=1)
    rest = list(results)
    assert [frame.index for frame, _ in rest] == list(range(1, 100))
    np.testing.assert_allclose(rest[-1][1].keypoints[0, 0], [69, 30], atol=1)


def test_given_boxes_replace_the_detector(predictor: Predictor) -> None:
    boxes = [[[10, 10, 34, 42], [50, 20, 74, 52]], np.zeros((0, 4))]
    images = [picture((20, 20), (60, 40)), picture((20, 20))]
    first, second = predictor.predict(images, boxes)
    np.testing.assert_allclose(first.keypoints[:, 0], [[20, 20], [60, 40]], atol=1)
    np.testing.assert_array_equal(first.bboxes, boxes[0])
    assert len(second) == 0
    by_frame = [poses for _, poses in predictor(images, iter(boxes))]
    np.testing.assert_array_equal(by_frame[0].keypoints, first.keypoints)


def test_boxes_keep_to_their_picture_when_one_cannot_be_read(
    predictor: Predictor, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"broken")
    boxes = [[[10, 10, 34, 42]], [[0, 0, 9, 9]], [[50, 20, 74, 52]]]
    results = list(predictor([picture((20, 20)), broken, picture((60, 40))], boxes))
    assert [len(poses) for _, poses in results] == [1, 0, 1]
    np.testing.assert_allclose(results[2][1].keypoints[0, 0], [60, 40], atol=1)


def test_without_a_detector_the_image_is_the_box(spot_stage: PoseStage) -> None:
    (poses,) = Predictor(spot_stage).predict([picture((60, 40))])
    np.testing.assert_array_equal(poses.bboxes, [[0, 0, 96, 64]])
    np.testing.assert_allclose(poses.keypoints[0, 0], [60, 40], atol=3)


def test_what_does_not_fit_together(predictor: Predictor, whole_image_stage: PoseStage) -> None:
    with pytest.raises(ConfigError, match="finds the people itself; leave the detector out"):
        Predictor(whole_image_stage, detector=SpotDetector())
    with pytest.raises(ConfigError, match="takes no boxes"):
        Predictor(whole_image_stage).predict([picture()], [[[0, 0, 1, 1]]])
    with pytest.raises(DataError, match="more pictures than lists of boxes"):
        list(predictor([picture(), picture()], [[[0, 0, 9, 9]]]))
    with pytest.raises(ConfigError, match=r"a class with detect\(\)"):
        Predictor(predictor.pose, detector={"type": "KeypointMSELoss"})
