from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from raypose.errors import ConfigError, DataError
from raypose.inference import CropStage, PoseStage, Predictor
from raypose.models.detectors import JointDetector
from raypose.structures import Poses
from tests.inference.conftest import SpotEstimator, crop_box
from tests.inference.motion_lifter import motion_stage
from tests.inference.walking_spots import SpotDetector, picture, two_walkers, write_video


@pytest.fixture
def predictor(spot_stage: PoseStage) -> Predictor[Poses]:
    return Predictor(spot_stage, detector=SpotDetector(), batch_size=4)


def test_a_folder_with_one_unreadable_file(predictor: Predictor[Poses], tmp_path: Path) -> None:
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


def test_a_video_is_worked_on_while_it_is_read(predictor: Predictor[Poses]) -> None:
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


def test_given_boxes_replace_the_detector(predictor: Predictor[Poses]) -> None:
    boxes = [[[10, 10, 34, 42], [50, 20, 74, 52]], np.zeros((0, 4))]
    images = [picture((20, 20), (60, 40)), picture((20, 20))]
    first, second = predictor.predict(images, boxes)
    np.testing.assert_allclose(first.keypoints[:, 0], [[20, 20], [60, 40]], atol=1)
    np.testing.assert_array_equal(first.bboxes, boxes[0])
    assert len(second) == 0
    by_frame = [poses for _, poses in predictor(images, iter(boxes))]
    np.testing.assert_array_equal(by_frame[0].keypoints, first.keypoints)


def test_boxes_keep_to_their_picture_when_one_cannot_be_read(
    predictor: Predictor[Poses], tmp_path: Path
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


def test_what_does_not_fit_together(
    predictor: Predictor[Poses], spot_stage: PoseStage, whole_image_stage: PoseStage
) -> None:
    with pytest.raises(ConfigError, match="finds the people itself; leave the detector out"):
        Predictor(whole_image_stage, detector=SpotDetector())
    with pytest.raises(ConfigError, match="takes no boxes"):
        Predictor(whole_image_stage).predict([picture()], [[[0, 0, 1, 1]]])
    with pytest.raises(DataError, match="boxes by category are for several pose models"):
        predictor.predict([picture()], [{"person": [[0, 0, 9, 9]]}])
    with pytest.raises(DataError, match="got 1 images and the boxes of 2"):
        predictor.predict([picture()], [[], []])
    with pytest.raises(DataError, match="more pictures than lists of boxes"):
        list(predictor([picture(), picture()], [[[0, 0, 9, 9]]]))
    with pytest.raises(ConfigError, match=r"a class with detect\(\)"):
        Predictor(spot_stage, detector={"type": "KeypointMSELoss"})


@pytest.fixture
def by_category(spot_stage: PoseStage) -> Predictor[dict[str, Poses]]:
    """Predict people and dogs, each with a model of their own."""
    dogs = PoseStage(SpotEstimator(), CropStage(crop_box), batch_size=3)
    return Predictor({"person": spot_stage, "dog": dogs}, detector=SpotDetector())


def test_each_detection_goes_to_the_model_of_its_category(
    by_category: Predictor[dict[str, Poses]],
) -> None:
    images = [picture((20, 20), dogs=[(60, 40)]), picture(), picture(dogs=[(30, 20), (70, 30)])]
    answers = by_category.predict(images)
    assert [{name: len(poses) for name, poses in each.items()} for each in answers] == [
        {"person": 1, "dog": 1},
        {"person": 0, "dog": 0},
        {"person": 0, "dog": 2},
    ]
    np.testing.assert_allclose(answers[0]["person"].keypoints[0, 0], [20, 20], atol=1)
    np.testing.assert_allclose(answers[2]["dog"].keypoints[:, 0], [[30, 20], [70, 30]], atol=1)
    people, dogs = (branch.pose.estimator for branch in by_category.pipeline.branches.values())
    assert (people.calls, dogs.calls) == ([1], [3])


def test_boxes_by_category(by_category: Predictor[dict[str, Poses]]) -> None:
    image = picture((20, 20), (60, 40))
    (found,) = by_category.predict([image], [{"dog": [[50, 20, 74, 52], [10, 10, 34, 42]]}])
    assert len(found["person"]) == 0
    np.testing.assert_allclose(found["dog"].keypoints[:, 0], [[60, 40], [20, 20]], atol=1)
    with pytest.raises(DataError, match=r"no model for boxes of 'dogs'.*Did you mean 'dog'\?"):
        by_category.predict([image], [{"dogs": [[0, 0, 9, 9]]}])
    with pytest.raises(DataError, match="boxes of an image come by category"):
        by_category.predict([image], [[[0, 0, 9, 9]]])


def test_a_detector_for_each_category(spot_stage: PoseStage) -> None:
    detectors = {"dog": SpotDetector(), "hand": SpotDetector()}
    predictor = Predictor({"hand": spot_stage, "dog": spot_stage}, detector=detectors)
    assert isinstance(predictor.pipeline.boxes.detector, JointDetector)
    (found,) = predictor.predict([picture((20, 20), (60, 40))])
    assert {name: len(poses) for name, poses in found.items()} == {"hand": 2, "dog": 2}


def test_a_bottom_up_model_beside_a_top_down_one(
    spot_stage: PoseStage, whole_image_stage: PoseStage
) -> None:
    models = {"person": whole_image_stage, "dog": spot_stage}
    (found,) = Predictor(models, detector=SpotDetector()).predict([picture(dogs=[(30, 20)])])
    assert {name: len(poses) for name, poses in found.items()} == {"person": 1, "dog": 1}
    assert found["person"].bboxes is None


@pytest.mark.parametrize(
    ("pose", "options", "message"),
    [
        (("persn", "dog"), {}, r"SpotDetector finds no 'persn'\. Did you mean 'person'\?"),
        (("person", "cat"), {"detector": SpotDetector(())}, "does not say what its classes are"),
        (("person",), {"classes": ["person"]}, "the categories of pose say what to look for"),
        (("person",), {"weights": "a.pth"}, "weights: for several pose models it is a mapping"),
        (
            ("person", "dog"),
            {"lifter": {"dgo": "x"}},
            r"no pose model of 'dgo'\. Did you mean 'dog'",
        ),
        (("person", "dog"), {"detector": {"dog": SpotDetector()}}, "there is none for 'person'"),
        ((), {}, "at least one category"),
    ],
)
def test_categories_that_do_not_fit(
    spot_stage: PoseStage, pose: tuple[str, ...], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        Predictor(dict.fromkeys(pose, spot_stage), **{"detector": SpotDetector(), **options})


def test_several_categories_without_detector_and_boxes(spot_stage: PoseStage) -> None:
    predictor = Predictor({"person": spot_stage, "dog": spot_stage})
    with pytest.raises(ConfigError, match="person, dog: a detector, or boxes by category, must"):
        predictor.predict([picture((20, 20))])


def test_options_of_a_detector_need_one(spot_stage: PoseStage) -> None:
    with pytest.raises(ConfigError, match="nms_thr is an option of a detector, and none is given"):
        Predictor(spot_stage, nms_thr=0.5)
    with pytest.raises(ConfigError, match="SpotDetector is built already; give score_thr, classes"):
        Predictor(spot_stage, detector=SpotDetector(), bbox_thr=0.5, classes=[0])


def test_each_video_is_followed_by_itself_and_pictures_are_not(
    spot_stage: PoseStage, tmp_path: Path
) -> None:
    walk = two_walkers(7)
    first = write_video(tmp_path / "first.avi", walk)
    second = write_video(tmp_path / "second.avi", walk[:3])
    tracker = {"smoothing": "savitzky_golay"}
    predictor = Predictor(spot_stage, detector=SpotDetector(), tracker=tracker, batch_size=4)
    answers = list(predictor([walk[0], first, second, second, walk[1], walk[2]]))
    names = [(Path(frame.source).stem, frame.index) for frame, _ in answers]
    assert names == [
        ("", 0),
        *(("first", i) for i in range(7)),
        *(("second", i) for i in range(3)),
        *(("second", i) for i in range(3)),
        ("", 1),
        ("", 2),
    ]
    for frame, poses in answers:
        assert len(poses) == 2
        if frame.time is None:
            assert poses.track_ids is None
        else:
            # From 0 on in each video: what was before is forgotten.
            assert sorted(np.asarray(poses.track_ids)) == [0, 1]


def test_poses_stay_with_their_frame_though_they_come_later(spot_stage: PoseStage) -> None:
    walk = two_walkers(26)
    tracker = {"smoothing": {"type": "savitzky_golay", "window_length": 9}}
    predictor = Predictor(spot_stage, detector=SpotDetector(), tracker=tracker, batch_size=5)
    answers = list(predictor(walk, frame_rate=10))
    for number, (frame, poses) in enumerate(answers):
        assert frame.image is walk[number]
        assert frame.time == pytest.approx(number / 10)
        # The walk is even, so a polynomial leaves it as it is.
        expected = [[20 + 2 * number, 16], [70 - 2 * number, 48]]
        np.testing.assert_allclose(poses.keypoints[:, 0], expected, atol=1)
    assert len(answers) == 26


def test_a_sequence_with_a_picture_that_cannot_be_read(
    spot_stage: PoseStage, tmp_path: Path
) -> None:
    for index, image in enumerate(two_walkers(9)):
        cv2.imwrite(str(tmp_path / f"{index}.png"), image)
    (tmp_path / "4.png").write_bytes(b"broken")
    predictor = Predictor(spot_stage, detector=SpotDetector(), tracker=True, batch_size=2)
    answers = list(predictor(tmp_path, frame_rate=10))
    assert [len(poses) for _, poses in answers] == [2, 2, 2, 2, 0, 2, 2, 2, 2]
    assert answers[4][0].error is not None
    assert all(sorted(np.asarray(p.track_ids)) == [0, 1] for _, p in answers if len(p))


def test_cameras_of_the_caller_have_a_memory_each(spot_stage: PoseStage) -> None:
    walk = two_walkers(6)
    tracker = {"smoothing": "one_euro", "causal": True}
    predictor = Predictor(spot_stage, detector=SpotDetector(), tracker=tracker)
    here, there = predictor.stream(), predictor.stream()
    for number, image in enumerate(walk):
        ((frame, poses),) = here.push(image, number / 10)
        assert (frame.index, frame.time) == (number, number / 10)
        assert sorted(np.asarray(poses.track_ids)) == [0, 1]
    ((frame, poses),) = there.push(walk[0], 0.0)
    assert frame.index == 0
    np.testing.assert_allclose(poses.keypoints[:, 0], [[20, 16], [70, 48]], atol=1)
    assert here.flush() == []


def test_an_unfinished_video_of_a_camera_is_flushed(spot_stage: PoseStage) -> None:
    tracker = {"smoothing": {"type": "savitzky_golay", "window_length": 5}}
    stream = Predictor(spot_stage, detector=SpotDetector(), tracker=tracker).stream()
    came = [len(stream.push(image, number / 10)) for number, image in enumerate(two_walkers(6))]
    assert sum(came) == 4
    assert [frame.index for frame, _ in stream.flush()] == [4, 5]


def test_a_lifter_in_front_of_a_camera_answers_at_once(spot_stage: PoseStage) -> None:
    predictor = Predictor(spot_stage, detector=SpotDetector(), lifter=motion_stage())
    stream = predictor.stream()
    for number, image in enumerate(two_walkers(26)):
        ((_, poses),) = stream.push(image, number / 10)
        assert poses.keypoints_3d is not None
        # Two pixels a frame; the frame after the newest one is taken to be like it.
        growth = 2 if number else 0
        np.testing.assert_allclose(poses.keypoints_3d[:, 0, 2], [growth, -growth], atol=0.1)


def test_without_a_tracker_every_frame_stands_for_itself(spot_stage: PoseStage) -> None:
    predictor = Predictor(spot_stage, detector=SpotDetector(), lifter=motion_stage(), tracker=False)
    answers = list(predictor(two_walkers(26), frame_rate=10))
    assert len(answers) == 26
    for _, poses in answers:
        assert poses.track_ids is None
        assert poses.keypoints_3d is not None
        np.testing.assert_array_equal(poses.keypoints_3d[:, 0, 2], [0, 0])


def test_what_a_tracker_is(spot_stage: PoseStage) -> None:
    with pytest.raises(ConfigError, match=r"tracker\.association: got 'okz'.*Did you mean 'oks'"):
        Predictor(spot_stage, tracker="okz")
    with pytest.raises(ConfigError, match=r"tracker\.max_lots: unknown key\. Did you mean"):
        Predictor(spot_stage, tracker={"max_lots": 3})
    with pytest.raises(DataError, match="frame_rate is above 0, got 0"):
        list(Predictor(spot_stage)([picture()], frame_rate=0))


def test_reading_stops_with_the_reader(spot_stage: PoseStage, tmp_path: Path) -> None:
    video = write_video(tmp_path / "walk.avi", two_walkers(60))
    answers = Predictor(spot_stage, detector=SpotDetector(), batch_size=2)(video)
    next(answers)
    assert reading() == 1
    answers.close()
    assert reading() == 0


def reading() -> int:
    return sum(thread.name == "read-ahead" for thread in threading.enumerate())
