from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from raypose.codecs.base import BaseKeypointCodec
from raypose.config import build_codec, build_model, load_config
from raypose.errors import ConfigError
from raypose.inference import LiftStage
from raypose.models.estimators.base import BasePoseEstimator
from raypose.ops.h36m_joints import keypoints_to_h36m
from raypose.structures import PoseBatch, Poses, Skeleton

RNG = np.random.default_rng(3)


class ScreenCodec(BaseKeypointCodec):
    """Input of the lifter: the frames divided by the image width."""

    auxiliary_encode_keys: ClassVar[tuple[str, ...]] = ("camera_param",)
    input_key: ClassVar[str | None] = "frames"

    def encode(
        self, keypoints: Tensor, keypoints_visible: Tensor | None = None, **annotations: Any
    ) -> dict[str, Any]:
        widths = torch.tensor([camera["w"] for camera in annotations["camera_param"]])
        return {"frames": keypoints / widths[:, None, None, None]}

    def decode(self, encoded: Any) -> tuple[Any, Any]:
        raise AssertionError("not used")


class FlatLifter(BasePoseEstimator):
    """Puts the mean of the frames at depth 1 + number of frames."""

    test_cfg_keys: ClassVar[tuple[str, ...]] = ("stats_info",)

    def __init__(self, **test_cfg: Any) -> None:
        super().__init__(backbone=nn.Identity(), test_cfg=test_cfg)
        self.calls: list[int] = []

    def loss(self, batch: PoseBatch) -> dict[str, Tensor]:
        raise AssertionError("not used in prediction")

    def predict(self, batch: PoseBatch) -> list[Poses]:
        assert isinstance(batch.inputs, Tensor)
        self.calls.append(len(batch))
        mean = batch.inputs.mean(1)
        depth = torch.full((*mean.shape[:2], 1), 1.0 + batch.inputs.shape[1])
        return [
            Poses(keypoints=pose[None].numpy(), keypoint_scores=np.ones((1, len(pose)), np.float32))
            for pose in torch.cat([mean, depth], -1)
        ]


def stage(
    source: str = "coco", frames: int = 1, batch_size: int = 64, **test_cfg: Any
) -> LiftStage:
    return LiftStage(
        FlatLifter(**test_cfg),
        ScreenCodec(),
        Skeleton.load(source),
        Skeleton.load("h36m"),
        num_frames=frames,
        batch_size=batch_size,
    )


def people(number: int, boxes: bool = True) -> Poses:
    keypoints = RNG.uniform(0, 400, (number, 17, 2)).astype(np.float32)
    box = np.concatenate([keypoints.min(1), keypoints.max(1)], axis=1)
    scores = np.ones((number, 17), np.float32)
    return Poses(keypoints=keypoints, keypoint_scores=scores, bboxes=box if boxes else None)


@pytest.mark.parametrize("frames", [1, 27])
def test_coco_poses_are_lifted_as_human36m(frames: int) -> None:
    poses = [people(2), people(0), people(1)]
    lifted = stage(frames=frames)(poses, [(640, 480), (1, 1), (320, 240)])
    for before, after, width in zip(poses, lifted, (640, 1, 320), strict=True):
        np.testing.assert_array_equal(after.keypoints, before.keypoints)
        assert after.keypoints_3d is not None
        expected = keypoints_to_h36m(before.keypoints, Skeleton.load("coco").keypoint_names) / width
        np.testing.assert_allclose(after.keypoints_3d[..., :2], expected, rtol=1e-5)
        np.testing.assert_array_equal(
            after.keypoints_3d[..., 2], np.full((len(before), 17), 1 + frames)
        )


def test_a_pose_of_the_lifters_own_skeleton_stays_as_it_is() -> None:
    poses = people(2)
    (lifted,) = stage("h36m")([poses], [(100, 100)])
    assert lifted.keypoints_3d is not None
    np.testing.assert_allclose(lifted.keypoints_3d[..., :2], poses.keypoints / 100, rtol=1e-5)


def test_keypoints_of_the_same_names_are_reordered() -> None:
    names = list(Skeleton.load("h36m").keypoint_names)
    reverse = Skeleton.load({"name": "backwards", "keypoints": names[::-1]})
    lifter = LiftStage(FlatLifter(), ScreenCodec(), reverse, Skeleton.load("h36m"))
    poses = people(1)
    (lifted,) = lifter([poses], [(10, 10)])
    assert lifted.keypoints_3d is not None
    np.testing.assert_allclose(
        lifted.keypoints_3d[0, :, :2], poses.keypoints[0, ::-1] / 10, rtol=1e-5
    )


def test_poses_of_all_images_share_batches() -> None:
    lifter = stage(batch_size=4)
    together = lifter([people(3), people(3)], [(640, 480)] * 2)
    assert lifter.lifter.calls == [4, 2]
    alone = [stage()([poses], [(640, 480)])[0] for poses in together]
    for one, other in zip(together, alone, strict=True):
        np.testing.assert_array_equal(one.keypoints_3d, other.keypoints_3d)


@pytest.mark.parametrize("boxes", [True, False])
def test_stats_info_makes_the_answer_independent_of_size_and_place(boxes: bool) -> None:
    stats = {"bbox_center": [500, 400], "bbox_scale": 300, "image_size": [1000, 800]}
    poses = people(1, boxes)
    moved = poses.replace(
        keypoints=poses.keypoints * 3 + 77,
        bboxes=None if poses.bboxes is None else poses.bboxes * 3 + 77,
    )
    lifter = stage("h36m", stats_info=stats)
    here, there = lifter([poses, moved], [(640, 480), (5000, 3000)])
    assert here.keypoints_3d is not None
    assert there.keypoints_3d is not None
    np.testing.assert_allclose(here.keypoints_3d, there.keypoints_3d, atol=1e-4)
    placed = here.keypoints_3d[0, :, :2] * 1000
    low, high = placed.min(0), placed.max(0)
    np.testing.assert_allclose((low + high) / 2, [500, 400], atol=1e-2)
    assert (high - low).max() == pytest.approx(300, abs=1e-2)


def test_nobody_is_lifted_to_nobody() -> None:
    (lifted,) = stage()([people(0)], [(640, 480)])
    assert lifted.keypoints_3d is not None
    assert lifted.keypoints_3d.shape == (0, 17, 3)
    assert stage()([], []) == []


def test_skeletons_that_do_not_fit() -> None:
    with pytest.raises(
        ConfigError, match=r"takes Human3\.6M poses.* of 'ap10k'.*missing: .*left_ankle"
    ):
        stage("ap10k")
    mouse = Skeleton.load({"name": "mouse", "keypoints": ["snout", "tail"]})
    with pytest.raises(
        ConfigError, match="'mouse' has keypoints that 'coco' does not: snout, tail"
    ):
        LiftStage(FlatLifter(), ScreenCodec(), Skeleton.load("coco"), mouse)
    with pytest.raises(ConfigError, match="bbox_center, bbox_scale, image_size; got bbox_scale"):
        stage(stats_info={"bbox_scale": 300})


def test_a_codec_that_asks_for_the_camera_lifts_as_one_that_does_not() -> None:
    small = ["model.backbone.stem_channels=8", "model.head.in_channels=8"]
    poses, lifted = people(2), []
    for asks in ("false", "true"):
        changes = [*small, f"codec.normalize_camera={asks}"]
        config = load_config("examples/mocap3d", changes)
        torch.manual_seed(0)
        codec = build_codec(config)
        assert codec is not None
        human36m = Skeleton.load("h36m")
        lift = LiftStage(build_model(config).eval(), codec, Skeleton.load("coco"), human36m)
        (found,) = lift([poses], [(640, 480)])
        lifted.append(found.keypoints_3d)
    assert lifted[0].any()
    np.testing.assert_array_equal(*lifted)
