"""Labels of several calibrated cameras to poses in space.

V views of a moment, K keypoints.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from raypose.converters.calibrations import CalibratedCamera
from raypose.converters.labels import LabelledImage, LabelSet
from raypose.converters.motion import MotionSet, Take
from raypose.errors import DataError

Floats = npt.NDArray[np.float64]


def triangulate_labels(labels: LabelSet, cameras: Sequence[CalibratedCamera]) -> MotionSet:
    """Return the poses of one animal that several cameras see.

    The camera of a picture is its view, or the one whose name is in the picture's; pictures that
    are called alike but for that show the same moment. Of each keypoint two views are needed.

    Args:
        labels: pictures with one instance at most.
        cameras: of the views.

    Raises:
        DataError: if a picture is of no camera or shows several, or no moment has two views.
    """
    moments: dict[str, dict[str, LabelledImage]] = {}
    for image in labels.images:
        camera, moment = _view_of(image, cameras)
        if len(image.instances) > 1:
            raise DataError(
                f"{image.name}: one instance expected, as nothing says who is who in the other "
                f"views; here are {len(image.instances)}"
            )
        views = moments.setdefault(moment, {})
        if camera in views:
            raise DataError(f"{views[camera].name} and {image.name} show one moment in {camera}")
        views[camera] = image
    paired = [views for views in moments.values() if len(views) > 1]
    if not paired:
        raise DataError(f"no moment is labelled in two views of {_names(cameras)}")
    count = labels.skeleton.num_keypoints
    pixels = np.full((len(cameras), len(paired), count, 2), np.nan)
    for moment, views in enumerate(paired):
        for number, camera in enumerate(cameras):
            for instance in [] if camera.name not in views else views[camera.name].instances:
                pixels[number, moment] = instance.keypoints
    points = triangulate(pixels.reshape(len(cameras), -1, 2), cameras).reshape(-1, count, 3)
    notes = list(labels.notes)
    if len(paired) < len(moments):
        notes.append(f"{len(moments) - len(paired)} moments that one view shows only")
    take = Take(
        name="labels",
        points=points,
        is_video=False,
        views={camera.name: pixels[number] for number, camera in enumerate(cameras)},
    )
    return MotionSet(skeleton=labels.skeleton, takes=[take], notes=notes)


def triangulate(pixels: Floats, cameras: Sequence[CalibratedCamera]) -> Floats:
    """Return the points in space that several cameras see, by least squares (DLT).

    Args:
        pixels: (V, N, 2), NaN where a camera does not see a point.
        cameras: V of them.

    Returns:
        (N, 3) metres; NaN where fewer than two see it.
    """
    rows, known = [], []
    for camera, found in zip(cameras, pixels, strict=True):
        is_seen = np.isfinite(found).all(axis=1)
        plane = np.zeros_like(found)
        if is_seen.any():
            plane[is_seen] = camera.undistorted(found[is_seen])
        matrix = np.column_stack([camera.rotation, camera.translation])
        # x (P3 X) = P1 X and y (P3 X) = P2 X; what is not seen says nothing.
        pair = plane[:, :, None] * matrix[2] - matrix[:2]
        rows.append(pair * is_seen[:, None, None])
        known.append(is_seen)
    system = np.concatenate(rows, axis=1)
    solution = np.linalg.svd(system)[2][:, -1]
    with np.errstate(divide="ignore", invalid="ignore"):
        points = solution[:, :3] / solution[:, 3:]
    points[np.sum(known, axis=0) < 2] = np.nan
    return points


def _view_of(image: LabelledImage, cameras: Sequence[CalibratedCamera]) -> tuple[str, str]:
    """Return the camera of a picture and what its moment is called."""
    if image.view is not None and image.moment is not None:
        if image.view not in [camera.name for camera in cameras]:
            raise DataError(
                f"{image.name}: its view {image.view!r} is no camera of {_names(cameras)}"
            )
        return image.view, image.moment
    # The longest name wins: cam1 is in cam10 as well.
    names = sorted((camera.name for camera in cameras), key=len, reverse=True)
    found = next((name for name in names if name in image.name), None)
    if found is None:
        raise DataError(f"{image.name}: no camera of {_names(cameras)} is in its name")
    return found, image.name.replace(found, "")


def _names(cameras: Sequence[CalibratedCamera]) -> str:
    return ", ".join(camera.name for camera in cameras)
