"""Motion capture and labels of several views to data that lifters train on: geometry, configs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from raypose.config import Config, build_dataset, build_model, load_config
from raypose.converters.calibrations import CalibratedCamera
from raypose.converters.camera_ring import camera_ring
from raypose.converters.coco import write_coco
from raypose.converters.motion_conversion import convert_motion, guess_motion_format
from raypose.errors import DataError, RayposeError
from raypose.ops.cameras import camera_to_pixel, camera_to_world, world_to_camera
from tests.converters.samples import labels_of, mouse
from tests.converters.test_anipose_poses import session
from tests.converters.test_bvh import TEXT
from tests.converters.test_c3d_files import write as write_c3d

HEAD = TEXT[: TEXT.index("Frames:")]


def bvh(folder: Path, count: int, name: str = "walk_01.bvh") -> Path:
    """Write frames of somebody who walks along x and bends the knee."""
    rows = [f"{10 * i} 90 0 0 0 0 0 {i} 0 0 0 0 0 0 0" for i in range(count)]
    text = "\n".join([f"{HEAD}Frames: {count}", "Frame Time: 0.02", *rows])
    (folder / name).write_text(text + "\n")
    return folder / name


def samples_of(config: Config, split: Any) -> list[Any]:
    dataset = build_dataset(config, split)
    return [dataset[index] for index in range(len(dataset))]


def test_cameras_stand_round_the_body() -> None:
    for up, axis in (("x", 0), ("y", 1), ("z", 2)):
        cameras = camera_ring(2.0, up)  # pyright: ignore[reportArgumentType]
        places = np.array([-c.rotation.T @ c.translation for c in cameras])
        np.testing.assert_allclose(np.linalg.norm(places, axis=1), 6)
        np.testing.assert_allclose(
            places.sum(axis=0)[[i for i in range(3) if i != axis]], 0, atol=1e-9
        )
        assert (places[:, axis] > 0).all()
        head = np.zeros(3)
        head[axis] = 1
        for camera in cameras:
            middle, above = world_to_camera(np.stack([np.zeros(3), head]), camera.arrays())
            # The origin in the middle of the picture, what is above it above.
            np.testing.assert_allclose(middle, [0, 0, 6], atol=1e-6)
            assert above[1] < 0
            assert above[0] == pytest.approx(0, abs=1e-6)


def test_bvh_without_cameras(tmp_path: Path) -> None:
    motion, written = convert_motion(bvh(tmp_path, 20), tmp_path / "out")
    assert written.samples == {"train": 64, "val": 16}
    config = load_config(tmp_path / "out" / "config.yaml")
    train, val = samples_of(config, "train"), samples_of(config, "val")
    assert (len(train), len(val)) == (64, 16)
    # The last frames are for validation.
    assert {sample.id[-6:] for sample in val} == {f"{i:06d}" for i in range(16, 20)}
    assert train[0].id == "walk-01_walk.cam0_000000"
    wanted = motion.takes[0].points - motion.takes[0].points[:, :1]
    for sample in train:
        frame, camera = int(sample.id[-6:]), sample.meta["camera_param"]
        pose = sample.meta["lifting_target"][0]
        np.testing.assert_allclose(camera_to_world(pose, camera), wanted[frame], atol=1e-5)
        np.testing.assert_allclose(camera_to_pixel(pose, camera), sample.keypoints[0], atol=1e-2)
        assert (sample.keypoints[0] > 0).all()
        assert (sample.keypoints[0] < 1000).all()
    model = build_model(config)
    assert sum(parameter.numel() for parameter in model.parameters()) > 0


def test_takes_are_split_whole(tmp_path: Path) -> None:
    for name in ("walk_01", "walk_02", "run_01", "run_02"):
        bvh(tmp_path, 3, f"{name}.bvh")
    _, written = convert_motion(tmp_path, tmp_path / "out", val_fraction=0.5, rate=25)
    # Two takes each, every second frame of them, four cameras.
    assert written.samples == {"train": 16, "val": 16}
    config = load_config(tmp_path / "out" / "config.yaml")
    takes = [{s.id.split("_")[0] for s in samples_of(config, split)} for split in ("train", "val")]
    assert takes[0] | takes[1] == {"walk-01", "walk-02", "run-01", "run-02"}
    assert not takes[0] & takes[1]


def test_no_validation(tmp_path: Path) -> None:
    convert_motion(bvh(tmp_path, 5), tmp_path / "out", val_fraction=0)
    assert not (tmp_path / "out" / "val.npz").exists()
    assert load_config(tmp_path / "out" / "config.yaml").data["data"].get("val") is None


def test_skeleton_chooses_keypoints(tmp_path: Path) -> None:
    (tmp_path / "leg.yaml").write_text("name: leg\nkeypoints: [Foot, Knee, Hips]\n")
    motion, _ = convert_motion(
        bvh(tmp_path, 5), tmp_path / "out", skeleton=tmp_path / "leg.yaml", up="y"
    )
    assert motion.skeleton.keypoint_names == ("Foot", "Knee", "Hips")
    (tmp_path / "leg.yaml").write_text("name: leg\nkeypoints: [Foot, Kneee]\n")
    with pytest.raises(DataError, match=r"no keypoint 'Kneee' of .*Did you mean 'Knee'"):
        convert_motion(bvh(tmp_path, 5), tmp_path / "no", skeleton=tmp_path / "leg.yaml")


def test_markers_that_are_not_seen(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    points = rng.uniform(-400, 400, (10, 3, 3))
    points[:4, 0] = np.nan
    points[9, 1] = np.nan
    write_c3d(tmp_path / "a.c3d", ["A", "B", "C"], points)
    _, written = convert_motion(tmp_path / "a.c3d", tmp_path / "out", val_fraction=0)
    # The root is C, which is always known.
    assert written.samples == {"train": 40}
    config = load_config(tmp_path / "out" / "config.yaml")
    assert config.data["codec"]["root_index"] == 2
    for sample in samples_of(config, "train"):
        frame = int(sample.id[-6:])
        known = [float(frame >= 4), float(frame != 9), 1.0]
        assert sample.keypoints_visible[0].tolist() == known
        assert sample.meta["lifting_target_visible"][0].tolist() == known
        assert np.isfinite(sample.meta["lifting_target"]).all()


def calibration(path: Path, cameras: list[CalibratedCamera]) -> Path:
    """Write cameras in millimetres."""
    content = {
        camera.name: {
            "K": camera.matrix.tolist(),
            "R": camera.rotation.tolist(),
            "t": (1000 * camera.translation).tolist(),
            "size": camera.size,
        }
        for camera in cameras
    }
    path.write_text(json.dumps(content))
    return path


def test_labels_of_several_views(tmp_path: Path) -> None:
    cameras = camera_ring(0.5, "z")[:3]
    points = np.random.default_rng(0).uniform(-0.1, 0.1, (10, 4, 3))
    instances = {}
    for moment, pose in enumerate(points):
        for camera in cameras:
            pixels = camera_to_pixel(world_to_camera(pose, camera.arrays()), camera.arrays())
            # A label that is off by a pixel, in a view of its own for each moment.
            pixels[0, 0] += moment % 3 == int(camera.name[-1])
            instances[f"{camera.name}/{moment}.png"] = [mouse([tuple(p) for p in pixels])]
    write_coco(labels_of(tmp_path / "in", instances), tmp_path / "coco")
    file = calibration(tmp_path / "cameras.json", cameras)
    _, written = convert_motion(tmp_path / "coco", tmp_path / "out", calibration=file)
    assert written.samples == {"train": 24, "val": 6}
    assert written.label_errors is not None
    assert 0 < written.label_errors[0] < written.label_errors[1] < 1
    config = load_config(tmp_path / "out" / "config.yaml")
    moments = [{s.id[-6:] for s in samples_of(config, split)} for split in ("train", "val")]
    assert len(moments[1]) == 2
    assert not moments[0] & moments[1]
    for sample in samples_of(config, "train"):
        found = camera_to_world(sample.meta["lifting_target"][0], sample.meta["camera_param"])
        # A pixel is a millimetre and a half here.
        np.testing.assert_allclose(found, points[int(sample.id[-6:])], atol=2e-3)
    with pytest.raises(
        RayposeError, match=r"give motion capture .* or labels of several views and"
    ):
        convert_motion(tmp_path / "coco", tmp_path / "no")


def test_anipose_session_has_its_cameras(tmp_path: Path) -> None:
    source = session(tmp_path / "session")
    toml = "\n".join(
        f'[cam_{i}]\nname = "c{i}"\nsize = [640, 480]\nmatrix = [[500.0, 0, 320], [0, 500, 240],'
        f" [0, 0, 1]]\nrotation = [0, 0, 0]\ntranslation = [{i}, 0, 100]\n"
        for i in range(2)
    )
    (source / "calibration" / "calibration.toml").write_text(toml)
    motion, written = convert_motion(source, tmp_path / "out", val_fraction=0)
    assert written.samples == {"train": 4}
    samples = samples_of(load_config(tmp_path / "out" / "config.yaml"), "train")
    by_name = {sample.id: sample for sample in samples}
    sample = by_name["walk_walk.c1_000001"]
    # (-23, 12, 34) mm is at (-22, 12, 134) in that camera.
    np.testing.assert_allclose(
        sample.meta["lifting_target"][0, 0], [-0.022, 0.012, 0.134], atol=1e-6
    )
    np.testing.assert_allclose(
        sample.keypoints[0, 0], [320 - 500 * 22 / 134, 240 + 500 * 12 / 134], rtol=1e-5
    )
    assert motion.skeleton.keypoint_names == ("a", "b")


def test_mistakes(tmp_path: Path) -> None:
    file = bvh(tmp_path, 5)
    with pytest.raises(DataError, match=r"walk_01.bvh: bodies are 131 m large; say --unit"):
        convert_motion(file, tmp_path / "out", unit="m")
    with pytest.raises(RayposeError, match=r"--unit is one of m, dm, cm, mm, in, got 'inch'"):
        convert_motion(file, tmp_path / "out", unit="inch")
    with pytest.raises(RayposeError, match=r"--rate is above 0, got 0"):
        convert_motion(file, tmp_path / "out", rate=0)
    content = calibration(tmp_path / "c.json", camera_ring(1.0, "y")[:1])
    cameras = json.loads(content.read_text())
    cameras["cam0"]["t"] = [0, 0, -9000]
    content.write_text(json.dumps(cameras))
    with pytest.raises(DataError, match=r"no camera sees a pose with its root"):
        convert_motion(file, tmp_path / "out", calibration=content)
    assert not (tmp_path / "out").exists()


def test_what_a_source_looks_like(tmp_path: Path) -> None:
    assert guess_motion_format(bvh(tmp_path, 2)) == "bvh"
    assert guess_motion_format(tmp_path) == "bvh"
    assert guess_motion_format(session(tmp_path / "session")) == "anipose"
    write_c3d(tmp_path / "session" / "a.c3d")
    assert guess_motion_format(tmp_path / "session") == "c3d"
    assert guess_motion_format(tmp_path / "gone.csv") is None
