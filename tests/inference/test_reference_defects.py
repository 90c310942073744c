"""What is known to go wrong in MMPose's inferencers, each as a test that it does not here."""

from __future__ import annotations

import gc
import subprocess
import sys
import tracemalloc
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from raypose.config import available_configs, load_config
from raypose.config.lookup import config_folders
from raypose.inference import PoseStage, Predictor
from raypose.structures import Skeleton
from tests.inference.motion_lifter import motion_stage
from tests.inference.walking_spots import SpotDetector, picture, two_walkers, write_video


def test_d1_batch_size_is_used_and_crops_of_several_images_share_batches(
    spot_stage: PoseStage,
) -> None:
    detector = SpotDetector()
    predictor = Predictor(spot_stage, detector=detector, batch_size=6)
    answers = list(predictor(two_walkers(6)))
    assert detector.calls == [6]
    assert spot_stage.estimator.calls == [4, 4, 4]
    assert [len(poses) for _, poses in answers] == [2] * 6


@pytest.mark.parametrize("detector", [SpotDetector(), None])
def test_d2_given_boxes_are_kept_all_of_them_in_their_order(
    spot_stage: PoseStage, detector: SpotDetector | None
) -> None:
    boxes = [[50, 20, 74, 52], [10, 10, 34, 42], [10, 10, 34, 42], [0, 0, 5, 5]]
    predictor = Predictor(spot_stage, detector=detector)
    ((_, poses),) = predictor([picture((20, 20), (60, 40))], [boxes])
    np.testing.assert_array_equal(poses.bboxes, boxes)
    np.testing.assert_allclose(poses.keypoints[:3, 0], [[60, 40], [20, 20], [20, 20]], atol=1)


def test_d3_nobody_is_invented_where_nothing_was_detected(spot_stage: PoseStage) -> None:
    predictor = Predictor(spot_stage, detector=SpotDetector(), tracker=True)
    answers = list(predictor([picture(), picture((30, 30)), picture()], frame_rate=10))
    assert [len(poses) for _, poses in answers] == [0, 1, 0]
    assert len(predictor.predict([picture()])[0]) == 0


def test_d4_identities_last_and_lifters_see_the_frames_around(spot_stage: PoseStage) -> None:
    predictor = Predictor(spot_stage, detector=SpotDetector(), lifter=motion_stage(), batch_size=4)
    answers = [poses for _, poses in predictor(two_walkers(26), frame_rate=10)]
    assert len(answers) == 26
    for number, poses in enumerate(answers):
        assert poses.track_ids is not None
        assert poses.keypoints_3d is not None
        assert sorted(poses.track_ids) == [0, 1]
        # Both walk two pixels a frame, one to the right and one to the left.
        to_right = poses.keypoints[:, 0, 1] < 32
        np.testing.assert_array_equal(poses.track_ids[to_right], answers[0].track_ids[to_right])  # type: ignore[index]
        growth = 2.0 if number in (0, 25) else 4.0
        expected = np.where(to_right, growth, -growth)
        np.testing.assert_allclose(poses.keypoints_3d[:, 0, 2], expected, atol=0.1)


def test_d5_memory_does_not_grow_with_the_video(spot_stage: PoseStage) -> None:
    alive: list[weakref.ref[Any]] = []
    most = 0

    def count() -> int:
        return sum(ref() is not None for ref in alive)

    def frames() -> Iterator[np.ndarray]:
        for image in two_walkers(40) * 5:
            image = image.copy()
            alive.append(weakref.ref(image))
            yield image

    tracker = {"smoothing": {"type": "savitzky_golay", "window_length": 5}, "max_gap": 3}
    predictor = Predictor(spot_stage, detector=SpotDetector(), tracker=tracker, batch_size=4)
    total = 0
    for _, poses in predictor(frames(), frame_rate=25):
        total += 1
        alive.append(weakref.ref(poses.keypoints))
        most = max(most, count())
    del poses
    gc.collect()
    assert total == 200
    # What is held: a batch, what the filters wait for, and their answers.
    assert most < 4 * 4 + 2 * (5 + 3)
    assert count() <= 4


def test_d5_memory_of_a_video_file(spot_stage: PoseStage, tmp_path: Path) -> None:
    walk = two_walkers(40)
    predictor = Predictor(spot_stage, detector=SpotDetector(), tracker=True, batch_size=4)
    peaks = []
    for seconds in (1, 8):
        path = write_video(tmp_path / f"{seconds}.avi", walk * seconds)
        tracemalloc.start()
        assert sum(1 for _ in predictor(path)) == 40 * seconds
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 6 * walk[0].nbytes


def test_d6_identities_and_smoothing_in_two_dimensions(
    spot_stage: PoseStage, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    trembling = [picture((48 + int(rng.integers(-3, 4)), 32)) for _ in range(40)]
    video = write_video(tmp_path / "still.avi", trembling, 20)

    def xs(tracker: Any) -> np.ndarray:
        predictor = Predictor(spot_stage, detector=SpotDetector(), tracker=tracker)
        answers = list(predictor(video))
        assert [frame.index for frame, _ in answers] == list(range(40))
        assert all(np.array_equal(np.asarray(poses.track_ids), [0]) for _, poses in answers)
        return np.array([poses.keypoints[0, 0, 0] for _, poses in answers])

    raw = xs(True)
    for smoothing in ("one_euro", "savitzky_golay"):
        smooth = xs({"smoothing": smoothing})
        assert np.abs(np.diff(smooth)).mean() < 0.6 * np.abs(np.diff(raw)).mean()
        assert smooth.mean() == pytest.approx(raw.mean(), abs=1)


def test_d7_skeletons_and_configs_are_found_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config = load_config("rtmpose-t")
    assert config.skeleton == Skeleton.load("coco")


@pytest.mark.slow
def test_d8_nothing_needs_mmcv_mmdet_mmengine_or_six() -> None:
    code = """
import importlib, pkgutil, sys
for name in ("six", "mmcv", "mmdet", "mmengine", "mmpose"):
    sys.modules[name] = None
import raypose
# Ray, pandas and others may use six themselves; what is below raypose.distributed may not.
for part in ("models", "datasets", "inference", "codecs", "evaluation", "transforms"):
    package = importlib.import_module(f"raypose.{part}")
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        importlib.import_module(module.name)
print("ok")
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "ok", done.stderr


def test_d9_no_config_leans_on_another_package() -> None:
    assert len(available_configs()) > 20
    for root in config_folders():
        for path in root.rglob("*.yaml"):
            values = [
                line.partition("#")[0]
                for line in path.read_text(encoding="utf-8").splitlines()
                if "https://" not in line
            ]
            text = "\n".join(values)
            assert "::" not in text, path
            assert not any(f"{name}." in text for name in ("mmcls", "mmdet", "mmpretrain")), path
