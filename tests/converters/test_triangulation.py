"""Labels of several cameras: the points that they were made from, which picture is of which."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from raypose.converters.calibrations import CalibratedCamera
from raypose.converters.camera_ring import camera_ring
from raypose.converters.labels import LabelSet
from raypose.converters.triangulation import triangulate, triangulate_labels
from raypose.errors import DataError
from raypose.ops.cameras import world_to_pixel
from tests.converters.samples import NAN, SECOND, labels_of, mouse

POINTS = np.random.default_rng(0).uniform(-0.5, 0.5, (6, 4, 3))


def cameras_with_lenses() -> list[CalibratedCamera]:
    lens = np.array([-0.1, 0.03, 0.001, 0.002, 0.01])
    return [replace(camera, lens=lens) for camera in camera_ring(1.0, "z")]


def labels_seen(folder: Path, cameras: list[CalibratedCamera]) -> LabelSet:
    """Return what cameras see of the points, pictures called by camera and moment."""
    instances = {}
    for moment, points in enumerate(POINTS):
        for camera in cameras:
            pixels = world_to_pixel(points, camera.arrays())
            instances[f"rec-{camera.name}/{moment}.png"] = [mouse([tuple(p) for p in pixels])]
    return labels_of(folder, instances)


def test_points_are_found_again() -> None:
    cameras = cameras_with_lenses()
    pixels = np.stack([world_to_pixel(POINTS.reshape(-1, 3), c.arrays()) for c in cameras])
    np.testing.assert_allclose(triangulate(pixels, cameras), POINTS.reshape(-1, 3), atol=1e-5)
    # Two views are enough, one is not.
    pixels[0, :3] = NAN
    pixels[1, :2] = NAN
    pixels[2, :1] = NAN
    found = triangulate(pixels, cameras)
    assert np.isnan(found[0]).all()
    np.testing.assert_allclose(found[1:], POINTS.reshape(-1, 3)[1:], atol=1e-5)


def test_labels(tmp_path: Path) -> None:
    cameras = cameras_with_lenses()
    motion = triangulate_labels(labels_seen(tmp_path, cameras), cameras)
    (take,) = motion.takes
    assert not take.is_video
    np.testing.assert_allclose(take.points, POINTS, atol=1e-4)
    assert take.views is not None
    wanted = world_to_pixel(POINTS, cameras[2].arrays())
    np.testing.assert_allclose(take.views["cam2"], wanted)


def test_views_and_moments_of_the_source(tmp_path: Path) -> None:
    cameras = cameras_with_lenses()
    labels = labels_seen(tmp_path, cameras)
    images = [
        replace(image, name=f"{number}.png", view=image.name[4:8], moment=image.name[9:])
        for number, image in enumerate(labels.images)
    ]
    # One moment is seen by one camera only.
    motion = triangulate_labels(replace(labels, images=images[:-3]), cameras)
    np.testing.assert_allclose(motion.takes[0].points, POINTS[:-1], atol=1e-4)
    assert motion.notes == ["1 moments that one view shows only"]
    strange = [replace(image, view="top") for image in images]
    with pytest.raises(DataError, match=r"0.png: its view 'top' is no camera of cam0, cam1"):
        triangulate_labels(replace(labels, images=strange), cameras)


def test_what_cannot_be_told(tmp_path: Path) -> None:
    cameras = cameras_with_lenses()
    one = labels_of(tmp_path, {"cam0/a.png": [mouse()], "cam1/b.png": [mouse()]})
    with pytest.raises(DataError, match=r"no moment is labelled in two views of cam0, cam1"):
        triangulate_labels(one, cameras)
    other = labels_of(tmp_path, {"top/a.png": [mouse()]})
    with pytest.raises(DataError, match=r"top/a.png: no camera of cam0, .* is in its name"):
        triangulate_labels(other, cameras)
    two = labels_of(tmp_path, {"cam0/a.png": [mouse(), mouse(SECOND)]})
    with pytest.raises(DataError, match=r"a.png: one instance expected, .*here are 2"):
        triangulate_labels(two, cameras)
    twice = labels_of(tmp_path, {"xcam0/a.png": [mouse()], "cam0x/a.png": [mouse()]})
    with pytest.raises(DataError, match=r"xcam0/a.png and cam0x/a.png show one moment in cam0"):
        triangulate_labels(twice, cameras)
