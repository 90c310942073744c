"""Cameras of TOML, JSON and pickles: the same camera in each, projections by OpenCV, mistakes."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from raypose.converters.calibrations import CalibratedCamera, read_calibration
from raypose.errors import DataError
from raypose.ops.cameras import world_to_pixel

K = [[800.0, 0, 330], [0, 810, 250], [0, 0, 1]]
LENS = [-0.2, 0.05, 0.001, -0.002, 0.01]
RVEC = [0.1, -0.7, 0.3]
# Millimetres.
T = [100.0, -50, 2000]
R: Any = cv2.Rodrigues(np.array(RVEC))[0]
CAMERA: dict[str, Any] = {"K": K, "distCoef": LENS, "R": R.tolist(), "t": T, "size": [640, 480]}
POINTS = np.random.default_rng(0).uniform(-300, 300, (20, 3))

TOML = f"""\
[cam_0]
name = "left"
size = [640, 480]
matrix = {K}
distortions = {LENS}
rotation = {RVEC}
translation = {T}

[metadata]
error = 0.3
"""


def write(folder: Path, content: Any, name: str = "cameras.json") -> Path:
    (folder / name).write_text(content if isinstance(content, str) else json.dumps(content))
    return folder / name


def assert_sees(camera: CalibratedCamera, lens: list[float] = LENS) -> None:
    """Check where the camera sees points against OpenCV."""
    wanted: Any = cv2.projectPoints(
        POINTS, np.array(RVEC), np.array(T), np.array(K), np.array(lens)
    )[0]
    found = world_to_pixel(POINTS / 1000, camera.arrays())
    np.testing.assert_allclose(found, wanted[:, 0], atol=1e-3)
    in_plane = camera.undistorted(wanted[:, 0])
    in_camera = (POINTS @ R.T + T) / 1000
    np.testing.assert_allclose(in_plane, in_camera[:, :2] / in_camera[:, 2:], atol=1e-6)


def test_anipose(tmp_path: Path) -> None:
    (camera,) = read_calibration(write(tmp_path, TOML, "calibration.toml"), 0.001)
    assert (camera.name, camera.size) == ("left", (640, 480))
    assert_sees(camera)


@pytest.mark.parametrize(
    "content",
    [
        {"left": CAMERA},
        {"cameras": {"left": CAMERA}},
        {"calibDataSource": "x", "cameras": [{**CAMERA, "name": "left"}]},
        {
            "left": {
                **{"fx": 800, "fy": 810, "cx": 330, "cy": 250, "size": [640, 480]},
                "R": R.tolist(),
                # Where the camera is, as a column.
                "T": (-R.T @ np.array(T))[:, None].tolist(),
                "k": [[LENS[0]], [LENS[1]], [LENS[4]]],
                "p": [[LENS[2]], [LENS[3]]],
            }
        },
    ],
)
def test_json(tmp_path: Path, content: Any) -> None:
    (camera,) = read_calibration(write(tmp_path, content), 0.001)
    assert (camera.name, camera.size) == ("left", (640, 480))
    assert_sees(camera)


def test_projection_matrix_and_no_size(tmp_path: Path) -> None:
    matrix = np.array(K) @ np.column_stack([R, T])
    (camera,) = read_calibration(write(tmp_path, {"left": {"P": (3 * matrix).tolist()}}), 0.001)
    assert camera.size == (660, 500)
    assert_sees(camera, [0.0] * 5)


def test_lens_with_a_denominator(tmp_path: Path) -> None:
    lens = [*LENS, 0.02, -0.01, 0.005]
    (camera,) = read_calibration(write(tmp_path, {"left": {**CAMERA, "distCoef": lens}}), 0.001)
    assert_sees(camera, lens)


def stereo() -> dict[str, Any]:
    matrix, lens = np.array(K), np.array([LENS])
    return {
        "camera-1-camera-2": {
            **{"cameraMatrix1": matrix, "cameraMatrix2": matrix},
            **{"distCoeffs1": lens, "distCoeffs2": lens, "R": R, "T": np.array(T)[:, None]},
            "image_shape": [(640, 480), (320, 240)],
            "roi1": (0, 0, 1, 1),
        }
    }


def test_deeplabcut_3d(tmp_path: Path) -> None:
    path = tmp_path / "stereo_params.pickle"
    path.write_bytes(pickle.dumps(stereo(), protocol=4))
    first, second = read_calibration(path, 0.001)
    assert (first.name, second.name) == ("camera-1", "camera-2")
    assert (first.size, second.size) == ((640, 480), (320, 240))
    np.testing.assert_array_equal(first.rotation, np.eye(3))
    assert first.translation.tolist() == [0, 0, 0]
    assert_sees(second)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"K": None}, r"cameras.json: left: K: 3 x 3 numbers expected, got None"),
        ({"K": [[1, 0], [0, 1]]}, r"left: K: 3 x 3 numbers expected"),
        ({"R": [[1, 0, 0], [0, 1, 0], [0, 0, 2]]}, r"left: R is no rotation"),
        ({"R": [[1, 0, 0], [0, 1, 0], [0, 0, -1]]}, r"left: R is no rotation"),
        ({"t": ["a", 0, 0]}, r"left: t: 3 numbers expected, got \['a', 0, 0\]"),
        ({"distCoef": [1, 2, 3]}, r"left: 4, 5 or 8 numbers of distortion expected, got 3"),
        ({"size": [0, 4]}, r"left: size: width and height in pixels expected"),
        ({"fisheye": True}, r"left: fisheye: cameras with such a lens cannot be read"),
        ({"K": [[1, 0.5, 0], [0, 1, 0], [0, 0, 1]]}, r"left: a matrix without skew expected"),
    ],
)
def test_broken_cameras(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_calibration(write(tmp_path, {"left": {**CAMERA, **change}}), 0.001)


def test_broken_files(tmp_path: Path) -> None:
    for content, message in (
        ({}, r"cameras.json: no camera in it"),
        ([], r"cameras.json: keys with values expected"),
        ({"left": 3}, r"cameras.json: left: keys with values expected, got 3"),
        ({"left": {"R": R.tolist()}}, r"left: no matrix and no K"),
        ({"cameras": [{**CAMERA, "name": "a"}] * 2}, r"two cameras are called 'a'"),
        ("{", r"cameras.json: not a JSON file"),
    ):
        with pytest.raises(DataError, match=message):
            read_calibration(write(tmp_path, content), 0.001)
    with pytest.raises(DataError, match=r"c.toml: not a TOML file"):
        read_calibration(write(tmp_path, "[cam", "c.toml"), 0.001)
    path = tmp_path / "stereo.pickle"
    path.write_bytes(pickle.dumps(Path))
    with pytest.raises(DataError, match=r"stereo.pickle: not a pickle of arrays"):
        read_calibration(path, 0.001)
    broken = stereo()
    del broken["camera-1-camera-2"]["R"]
    path.write_bytes(pickle.dumps(broken, protocol=4))
    with pytest.raises(DataError, match=r"stereo.pickle: camera-1-camera-2: no R"):
        read_calibration(path, 0.001)


def test_panoptic_studio_and_shelf(shared_data: Path) -> None:
    formats = shared_data / "formats"
    name = "panoptic_body3d/160906_band1"
    cameras = read_calibration(formats / name / "calibration_160906_band1.json", 0.01)
    assert len(cameras) > 400
    assert cameras[0].size == (640, 480)
    # Cameras stand on a dome some three metres away.
    distances = [np.linalg.norm(c.rotation.T @ c.translation) for c in cameras]
    assert 1 < np.median(distances) < 5
    shelf = read_calibration(formats / "shelf/calibration_shelf.json", 0.001)
    # They stand as high as 1.1 m, as the file's T says.
    place = -shelf[0].rotation.T @ shelf[0].translation
    np.testing.assert_allclose(place, [-1.5864, -2.1095, 1.1042], atol=1e-3)
