from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from raypose.codecs.base import BaseKeypointCodec
from raypose.config import build_codec, build_model, load_config
from raypose.datasets import MocapDataset
from raypose.errors import ConfigError, RayposeError
from raypose.inference import LiftInput, LiftStage, LiftWindows, load_lift_stage, single_frame
from raypose.models.estimators.base import BasePoseEstimator
from raypose.structures import PoseBatch, Poses, Skeleton, SkeletonConversion

RNG = np.random.default_rng(3)
H36M = Skeleton.load("h36m")


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

    test_cfg_keys: ClassVar[tuple[str, ...]] = ("stats_info", "conversion", "unit")

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
        H36M,
        num_frames=frames,
        batch_size=batch_size,
    )


def images(lifter: LiftStage, poses: list[Poses], sizes: list[tuple[int, int]]) -> list[Poses]:
    """Lift images by themselves."""
    return lifter(
        [
            single_frame(found, size, lifter.num_frames)
            for found, size in zip(poses, sizes, strict=True)
        ]
    )


def people(number: int, boxes: bool = True) -> Poses:
    keypoints = RNG.uniform(0, 400, (number, 17, 2)).astype(np.float32)
    box = np.concatenate([keypoints.min(1), keypoints.max(1)], axis=1)
    scores = np.ones((number, 17), np.float32)
    return Poses(keypoints=keypoints, keypoint_scores=scores, bboxes=box if boxes else None)


@pytest.mark.parametrize("frames", [1, 27])
def test_coco_poses_are_lifted_as_human36m(frames: int) -> None:
    poses = [people(2), people(0), people(1)]
    lifted = images(stage(frames=frames), poses, [(640, 480), (1, 1), (320, 240)])
    conversion = SkeletonConversion.between(Skeleton.load("coco"), H36M)
    for before, after, width in zip(poses, lifted, (640, 1, 320), strict=True):
        np.testing.assert_array_equal(after.keypoints, before.keypoints)
        assert after.keypoints_3d is not None
        expected = conversion.keypoints(before.keypoints) / width
        np.testing.assert_allclose(after.keypoints_3d[..., :2], expected, rtol=1e-5)
        np.testing.assert_array_equal(
            after.keypoints_3d[..., 2], np.full((len(before), 17), 1 + frames)
        )


def test_a_pose_of_the_lifters_own_skeleton_stays_as_it_is() -> None:
    poses = people(2)
    (lifted,) = images(stage("h36m"), [poses], [(100, 100)])
    assert lifted.keypoints_3d is not None
    np.testing.assert_allclose(lifted.keypoints_3d[..., :2], poses.keypoints / 100, rtol=1e-5)


def test_keypoints_of_the_same_names_are_reordered() -> None:
    names = list(H36M.keypoint_names)
    reverse = Skeleton.load({"name": "backwards", "keypoints": names[::-1]})
    lifter = LiftStage(FlatLifter(), ScreenCodec(), reverse, H36M)
    poses = people(1)
    (lifted,) = images(lifter, [poses], [(10, 10)])
    assert lifted.keypoints_3d is not None
    np.testing.assert_allclose(
        lifted.keypoints_3d[0, :, :2], poses.keypoints[0, ::-1] / 10, rtol=1e-5
    )


def test_poses_of_all_images_share_batches() -> None:
    lifter = stage(batch_size=4)
    together = images(lifter, [people(3), people(3)], [(640, 480)] * 2)
    assert lifter.lifter.calls == [4, 2]
    alone = [images(stage(), [poses], [(640, 480)])[0] for poses in together]
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
    here, there = images(lifter, [poses, moved], [(640, 480), (5000, 3000)])
    assert here.keypoints_3d is not None
    assert there.keypoints_3d is not None
    np.testing.assert_allclose(here.keypoints_3d, there.keypoints_3d, atol=1e-4)
    placed = here.keypoints_3d[0, :, :2] * 1000
    low, high = placed.min(0), placed.max(0)
    np.testing.assert_allclose((low + high) / 2, [500, 400], atol=1e-2)
    assert (high - low).max() == pytest.approx(300, abs=1e-2)


def test_nobody_is_lifted_to_nobody() -> None:
    (lifted,) = images(stage(), [people(0)], [(640, 480)])
    assert lifted.keypoints_3d is not None
    assert lifted.keypoints_3d.shape == (0, 17, 3)
    assert stage()([]) == []


def test_skeletons_that_do_not_fit() -> None:
    with pytest.raises(ConfigError, match=r"'ap10k' .* of 'h36m'; missing: .*left_ankle") as error:
        stage("ap10k")
    assert "test_cfg.conversion" in str(error.value)
    mouse = Skeleton.load({"name": "mouse", "keypoints": ["snout", "tail"]})
    with pytest.raises(ConfigError, match=r"'coco' cannot .* 'mouse'; missing: snout, tail"):
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
        lift = LiftStage(build_model(config).eval(), codec, Skeleton.load("coco"), H36M)
        (found,) = images(lift, [poses], [(640, 480)])
        lifted.append(found.keypoints_3d)
    assert lifted[0].any()
    np.testing.assert_array_equal(*lifted)


def test_a_window_is_placed_as_a_whole() -> None:
    """By the box of its frame: people keep moving in it."""
    stats = {"bbox_center": [500, 400], "bbox_scale": 300, "image_size": [1000, 800]}
    poses = people(1)
    windows = poses.keypoints[:, None] + np.array([0, 10, 20], np.float32)[:, None, None]
    given = single_frame(poses, (640, 480), 3)
    moving = LiftInput(
        poses=poses, windows=windows, scores=given.scores, image_size=(640, 480), target=0
    )
    lifter = stage("h36m", 3, stats_info=stats)
    still, moved = lifter([given, moving])
    assert still.keypoints_3d is not None
    assert moved.keypoints_3d is not None
    assert poses.bboxes is not None
    extent = (poses.bboxes[0, 2:] - poses.bboxes[0, :2]).max()
    # The codec divides by the width, the model takes the mean of 0, 10 and 20 pixels.
    shift = (moved.keypoints_3d - still.keypoints_3d)[..., :2] * 1000
    np.testing.assert_allclose(shift, np.full((1, 17, 2), 10 * 300 / extent), rtol=1e-3)


def test_what_the_models_own_config_says() -> None:
    assert stage().unit == "m"
    assert stage(unit="mm").unit == "mm"
    with pytest.raises(ConfigError, match=r"test_cfg\.unit .* one of m, cm, mm, got 'm m'"):
        stage(unit="m m")
    same = {name: name for name in H36M.keypoint_names}
    swapped = {**same, "root": "spine", "spine": {"left_hip": 0.5, "right_hip": 0.5}}
    poses = people(1)
    (lifted,) = images(stage("h36m", conversion=swapped), [poses], [(100, 100)])
    assert lifted.keypoints_3d is not None
    np.testing.assert_allclose(
        lifted.keypoints_3d[0, 0, :2], poses.keypoints[0, 7] / 100, rtol=1e-5
    )
    np.testing.assert_allclose(
        lifted.keypoints_3d[0, 7, :2], poses.keypoints[0, [1, 4]].mean(0) / 100, rtol=1e-5
    )


class EveryFrameLifter(FlatLifter):
    """Answers for each frame of its window: where it was."""

    def predict(self, batch: PoseBatch) -> list[Poses]:
        assert isinstance(batch.inputs, Tensor)
        depth = batch.keypoints_visible
        assert depth is not None
        return [
            Poses(keypoints=pose.numpy(), keypoint_scores=np.ones(pose.shape[:2], np.float32))
            for pose in torch.cat([batch.inputs, depth[..., None]], -1)
        ]


def moving(length: int) -> list[Poses]:
    return [
        Poses(
            keypoints=np.full((1, 17, 2), number, np.float32),
            keypoint_scores=np.full((1, 17), number / 10, np.float32),
            track_ids=np.zeros(1, np.int64),
        )
        for number in range(length)
    ]


def play(
    windows: LiftWindows, video: list[Poses], size: tuple[int, int] = (1, 1)
) -> list[LiftInput]:
    ready = [windows.push(poses, size) for poses in video]
    return [item for each in [*ready, windows.flush()] for item in each]


@pytest.mark.parametrize("causal", [False, True])
def test_of_the_answers_for_every_frame_the_frames_own_is_taken(causal: bool) -> None:
    lifter = LiftStage(EveryFrameLifter(), ScreenCodec(), H36M, H36M, 5, multiple=True, scored=True)
    windows = lifter.windows(causal)
    assert (windows.target, windows.delay) == ((4, 0) if causal else (2, 2))
    for number, poses in enumerate(lifter(play(windows, moving(8)))):
        assert poses.keypoints_3d is not None
        expected = np.array([number, number, number / 10], np.float32)
        np.testing.assert_array_equal(poses.keypoints_3d, np.tile(expected, (1, 17, 1)))


def test_scores_count_only_for_models_that_learned_from_them() -> None:
    lifter = LiftStage(EveryFrameLifter(), ScreenCodec(), H36M, H36M, 5)
    lifted = lifter(play(lifter.windows(True), moving(3)))
    assert [poses.keypoints_3d[0, 0, 2] for poses in lifted if poses.keypoints_3d is not None] == [
        *(1, 1, 1)
    ]


def test_windows_of_another_length_are_refused() -> None:
    with pytest.raises(RayposeError, match="takes windows of 9 frames, got 3"):
        stage(frames=9)([single_frame(people(1), (10, 10), 3)])


@pytest.fixture(scope="module")
def mocap(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with a file of two clips seen by two cameras."""
    rng = np.random.default_rng(0)
    lengths, folder = (14, 4), tmp_path_factory.mktemp("mocap")
    np.savez(
        folder / "val.npz",
        pose=rng.uniform(-1, 1, (sum(lengths), 17, 3)).astype(np.float32),
        clip=np.repeat([0, 1], lengths).astype(np.int16),
        cam_R=np.tile(np.eye(3, dtype=np.float32), (2, 2, 1, 1)),
        cam_t=np.tile(np.array([0.1, 0.2, 5], np.float32), (2, 2, 1)),
        cam_f=rng.uniform(900, 1100, (2, 2)).astype(np.float32),
        clip_names=np.array(["cmu_walking_1", "cmu_jumping_2"]),
        image_size=np.array([1000, 800]),
    )
    return folder


def videos(file: Path) -> list[list[Poses]]:
    """Return the 2D poses of each video of a motion-capture file, tracked."""
    found: list[list[Poses]] = []
    for sample in MocapDataset(str(file)):
        if sample.id.endswith("_000000"):
            found.append([])
        assert sample.keypoints is not None
        scores = np.ones(sample.keypoints.shape[:2], np.float32)
        tracks = np.zeros(1, np.int64)
        found[-1].append(
            Poses(keypoints=sample.keypoints, keypoint_scores=scores, track_ids=tracks)
        )
    return found


@pytest.mark.parametrize(
    ("seq_len", "causal", "step"), [(9, False, 1), (9, True, 1), (9, False, 2), (1, True, 1)]
)
def test_streamed_windows_are_those_of_validation(
    mocap: Path, seq_len: int, causal: bool, step: int
) -> None:
    kernels = [3, 3] if seq_len == 9 else [1, 1]
    changes = [
        *("model.backbone.stem_channels=8", "model.head.in_channels=8"),
        *(f"model.backbone.kernel_sizes={kernels}", "model.backbone.num_blocks=1"),
        "model.test_cfg={flip_test: true, stats_info: null}",
        *(f"data.val.dataset.seq_len={seq_len}", f"data.val.dataset.seq_step={step}"),
        *(f"data.val.dataset.causal={str(causal).lower()}", "data.val.dataset.pad_video_seq=true"),
        f"data_root={mocap}",
    ]
    config = load_config("examples/mocap3d", changes)
    torch.manual_seed(0)
    model = build_model(config)
    torch.save({"state_dict": model.state_dict()}, mocap / "lift.pth")
    stage = load_lift_stage(config, H36M, mocap / "lift.pth")
    assert (stage.num_frames, stage.step) == (seq_len, step)
    assert stage.target == (seq_len - 1 if causal else seq_len // 2)
    val = config.data_options.val
    assert val is not None
    dataset = MocapDataset(**{key: value for key, value in val.dataset.items() if key != "type"})
    validation = PoseBatch.collate(list(dataset))
    expected = stage.codec.encode_batch(validation)
    inputs = [
        item
        for video in videos(mocap / "val.npz")
        for item in play(stage.windows(causal=False), video, (1000, 800))
    ]
    assert len(inputs) == len(dataset) == 36
    streamed = stage.encode(
        np.concatenate([item.windows for item in inputs]),
        np.concatenate([item.scores for item in inputs]),
        np.array([item.image_size for item in inputs], np.float32),
    )
    assert isinstance(streamed.inputs, Tensor)
    assert isinstance(expected.inputs, Tensor)
    assert torch.equal(streamed.inputs, expected.inputs)
    # And so are the answers, once the dataset's are about the root as the stage's.
    lifted = torch.tensor(np.concatenate([poses.keypoints_3d for poses in stage(inputs)]))  # type: ignore[arg-type]
    answers = stage.lifter.predict(expected)
    about_root = [torch.tensor(each.keypoints[-1] - each.keypoints[-1][:1]) for each in answers]
    torch.testing.assert_close(lifted - lifted[:, :1], torch.stack(about_root), atol=1e-4, rtol=0)
