"""Pictures of one sample: as it is annotated, after the transforms, and what the codec makes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from raypose.codecs.base import BaseKeypointCodec
from raypose.errors import DataError
from raypose.inspection.label_pictures import LabelPicture, plot_frames
from raypose.inspection.target_pictures import target_pictures
from raypose.ops.image_files import decode_image, read_image
from raypose.structures import PoseBatch, PoseSample, Skeleton
from raypose.visualization import Viewpoint, draw_poses_3d, fit_inside

Image = npt.NDArray[Any]
Floats = npt.NDArray[np.floating[Any]]
Views = list[tuple[str, Image]]

_SIZE = (480, 480)
_PLOT_SIZE = (360, 360)
# Cameras of most 3D data look along z with y down.
_CAMERA = Viewpoint(up="-y", azimuth=-25.0, elevation=12.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplePictures:
    """Draws the samples of a split.

    Attributes:
        dataset: the annotations.
        marked: the same samples with their hidden keypoints marked.
        pipeline: the transforms of the split.
        codec: makes targets, None where there is none.
        skeleton: what the keypoints are.
        color_type: how images are decoded.
    """

    dataset: Sequence[PoseSample]
    marked: Sequence[PoseSample]
    pipeline: Callable[[PoseSample, int], PoseSample | None]
    codec: BaseKeypointCodec | None
    skeleton: Skeleton
    color_type: str

    def views(self, index: int, epochs: Sequence[int]) -> tuple[Views, PoseSample, bool]:
        """Draw a sample.

        Args:
            index: of the sample.
            epochs: whose random numbers the transforms draw.

        Returns:
            Names and pictures, the sample as annotated, and whether the transforms dropped it in
            one of the epochs.

        Raises:
            RayposeError: if its image cannot be read, or it cannot be transformed or encoded.
        """
        before = self.marked[index]
        results = [(epoch, self._transformed(self.dataset, index, epoch)) for epoch in epochs]
        kept = [(epoch, sample) for epoch, sample in results if sample is not None]
        views = self._before(before, kept[0][1] if kept else None)
        for epoch, sample in kept:
            marked = self._transformed(self.marked, index, epoch)
            name = "after" if len(epochs) == 1 else f"after, epoch {epoch}"
            views += self._after(name, sample, marked or sample)
        if kept and self.codec is not None:
            views += self._targets(self.codec, kept[0][1])
        return views, before, len(kept) < len(results)

    def _transformed(
        self, samples: Sequence[PoseSample], index: int, epoch: int
    ) -> PoseSample | None:
        sample = samples[index]
        sample.others = samples
        return self.pipeline(sample, epoch)

    def _before(self, sample: PoseSample, after: PoseSample | None) -> Views:
        """Draw the annotation on its image, or on paper where there is none."""
        if sample.img_path is None and sample.image is None:
            return self._motion(sample, "")
        picture = LabelPicture(
            image=self._image_of(sample),
            **_labels_of(sample, sample.keypoints),
            boxes=sample.bboxes,
            outline=None if after is None else _outline(after),
        )
        if after is None or after.transformed_keypoints is not None:
            picture = picture.near_instances()
        return [("before", picture.draw(self.skeleton, _SIZE)), *self._depths(sample, "")]

    def _after(self, name: str, sample: PoseSample, marked: PoseSample) -> Views:
        """Draw what the network gets; the keypoints of `marked`, which is the same sample."""
        if sample.image is None:
            return self._motion(marked, f", {name}")
        cropped = marked.transformed_keypoints is not None
        boxes = None if cropped or sample.bboxes is None else _upright(sample.bboxes)
        points = marked.transformed_keypoints if cropped else marked.keypoints
        image = _shown(sample.image)
        mask = sample.meta.get("heatmap_mask")
        if mask is not None:
            image = _darkened(image, np.asarray(mask))
        picture = LabelPicture(image=image, **_labels_of(marked, points), boxes=boxes)
        return [
            (name, picture.draw(self.skeleton, _SIZE)),
            *self._depths(sample, f", {name}"),
        ]

    def _targets(self, codec: BaseKeypointCodec, sample: PoseSample) -> Views:
        if sample.image is None or sample.keypoints is None:
            return []
        batch = codec.encode_batch(PoseBatch.collate([sample]))
        image = _shown(sample.image)
        return [
            (name, fit_inside(picture, *_SIZE))
            for name, picture in target_pictures(batch.targets, image)
        ]

    def _motion(self, sample: PoseSample, suffix: str) -> Views:
        """Draw a sample of motion capture: what is lifted, and what it is lifted to."""
        if sample.keypoints is None:
            raise DataError(f"sample {sample.id} has neither an image nor keypoints")
        labels = _labels_of(sample, sample.keypoints)
        name, image = plot_frames(**labels, skeleton=self.skeleton, size=_PLOT_SIZE)
        return [(f"{name}{suffix}", image), *self._depths(sample, suffix)]

    def _depths(self, sample: PoseSample, suffix: str) -> Views:
        """Draw the pose in space, of a sequence the middle one."""
        target = sample.meta.get("lifting_target")
        if target is None:
            return []
        poses = np.asarray(target).reshape(-1, *np.shape(target)[-2:])
        pose = poses[len(poses) // 2]
        if pose.shape != (self.skeleton.num_keypoints, 3):
            return []
        image = draw_poses_3d(pose, self.skeleton, size=_PLOT_SIZE, viewpoint=_CAMERA)
        return [(f"3D{suffix}", image)]

    def _image_of(self, sample: PoseSample) -> Image:
        if sample.image is not None and sample.image.ndim == 1:
            return decode_image(sample.image, self.color_type, sample.img_path or sample.id)
        if sample.image is not None:
            return sample.image
        return read_image(sample.img_path or "", self.color_type)


def _labels_of(sample: PoseSample, keypoints: Floats | None) -> dict[str, Floats]:
    """Return keypoints (N, K, 2) and their visibility (N, K) by name; none where N is 0."""
    if keypoints is None:
        return {"keypoints": np.zeros((0, 1, 2)), "visibility": np.zeros((0, 1))}
    visible = sample.keypoints_visible
    if visible is None:
        visible = np.ones(keypoints.shape[:2], np.float32)
    return {"keypoints": keypoints[..., :2], "visibility": visible.reshape(keypoints.shape[:2])}


def _outline(after: PoseSample) -> Floats | None:
    """Return the corners (4, 2) of the network's input, in the image."""
    if after.transform is None:
        return None
    width, height = after.transform.input_size
    corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32)
    return after.transform.to_image(corners)


def _upright(boxes: Floats) -> Floats:
    """Return boxes (N, 4) xyxy, also where a warp has left corners (N, 4, 2)."""
    if boxes.ndim == 2:
        return boxes
    return np.concatenate([boxes.min(axis=1), boxes.max(axis=1)], axis=1)


def _shown(image: Image) -> Image:
    """Return a picture of 8 bits, also of one that is normalised already."""
    if image.dtype == np.uint8:
        return image
    low, high = float(image.min()), float(image.max())
    return np.round((image - low) / max(high - low, 1e-9) * 255).astype(np.uint8)


def _darkened(image: Image, mask: Image) -> Image:
    """Return a picture that is dark where no loss is computed; the mask (h, w) covers it."""
    size = (image.shape[1], image.shape[0])
    counted = cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    return np.where(counted[..., None] > 0, image, image // 3)
