"""Small labelled pictures, made for tests, and how alike two sets of labels are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from raypose.converters import Instance, LabelledImage, LabelSet
from raypose.converters.pictures import FilePicture
from raypose.structures import Skeleton

NAN = float("nan")
SIZE = (64, 48)
MOUSE = Skeleton.load(
    {
        "name": "mouse",
        "keypoints": ["snout", "left_ear", "right_ear", "tail"],
        "links": [["snout", "left_ear"], ["snout", "right_ear"], ["left_ear", "tail"]],
    }
)
# Binary fractions, so that no format of text rounds them.
FIRST = [(10.5, 20.25), (12.0, 18.5), (NAN, NAN), (30.0, 40.75)]
SECOND = [(40.5, 10.25), (42.0, 8.5), (44.0, 12.5), (60.0, 30.75)]


def draw(path: Path, size: tuple[int, int] = SIZE, shade: int = 100) -> Path:
    """Write a picture of size (w, h) that differs by its shade."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = np.full((size[1], size[0], 3), shade, np.uint8)
    image[5:15, 5:25] = (255, 0, 128)
    assert cv2.imwrite(str(path), image)
    return path


def write_video(path: Path, count: int) -> Path:
    """Write a video whose frames are each as bright as 20 times their number."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25, SIZE)
    for index in range(count):
        writer.write(np.full((SIZE[1], SIZE[0], 3), 20 * index, np.uint8))
    writer.release()
    return path


def mean_of(path: Path) -> float:
    """Return how bright a picture is."""
    image = cv2.imread(str(path))
    assert image is not None
    return float(image.mean())


def mouse(
    points: Sequence[tuple[float, float]] = FIRST,
    *,
    category: str = "mouse",
    visibility: Sequence[int] | None = None,
    bbox: Sequence[float] | None = None,
    track: str | None = None,
) -> Instance:
    """Return a mouse."""
    return Instance.of(points, category, visibility, bbox, track)


def labels_of(
    folder: Path, instances: dict[str, list[Instance]], skeleton: Skeleton = MOUSE
) -> LabelSet:
    """Return labels of pictures that are drawn below a folder, by their names."""
    images = [
        LabelledImage(
            name=name,
            picture=FilePicture(draw(folder / name, shade=(50 + 10 * number) % 256)),
            instances=mice,
        )
        for number, (name, mice) in enumerate(instances.items())
    ]
    return LabelSet(skeleton=skeleton, images=images)


def assert_same(
    got: LabelSet,
    wanted: LabelSet,
    *,
    atol: float = 0.0,
    names: bool = True,
    tracks: bool = True,
    hidden: bool = True,
) -> None:
    """Check that two sets have the same instances on the same pictures.

    Args:
        got: read from a file.
        wanted: what was written.
        atol: pixels that places may differ by.
        names: whether pictures have the same names.
        tracks: whether instances have the same identities.
        hidden: whether hidden keypoints are told from visible ones.
    """
    assert got.skeleton.keypoint_names == wanted.skeleton.keypoint_names
    assert len(got.images) == len(wanted.images)
    if names:
        assert {i.name for i in got.images} == {i.name for i in wanted.images}
        by_name = {image.name: image for image in got.images}
        pairs = [(by_name[image.name], image) for image in wanted.images]
    else:
        pairs = list(zip(got.images, wanted.images, strict=True))
    for ours, theirs in pairs:
        assert ours.picture.size == theirs.picture.size
        assert len(ours.instances) == len(theirs.instances), ours.name
        for one, other in zip(ours.instances, theirs.instances, strict=True):
            np.testing.assert_allclose(one.keypoints, other.keypoints, rtol=0, atol=atol)
            if hidden:
                assert one.visibility.tolist() == other.visibility.tolist()
            else:
                assert ((one.visibility > 0) == (other.visibility > 0)).all()
            if tracks:
                assert one.track == other.track
