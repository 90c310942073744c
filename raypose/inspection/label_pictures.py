"""Labels drawn on pictures: keypoints by their visibility, limbs, boxes, what a crop holds.

N instances, K keypoints. Pictures are (H, W, 3) uint8 BGR.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from raypose.inspection.visibility import HIDDEN
from raypose.structures import Poses, Skeleton
from raypose.visualization import draw_poses

Image = npt.NDArray[Any]
Floats = npt.NDArray[np.floating[Any]]

_RADIUS = 4
_THICKNESS = 2
_OUTLINE = (0, 230, 255)
_PAPER = 245
_MARGIN = 0.25
_MOST_FRAMES = 5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LabelPicture:
    """A picture and what is labelled in it, in its pixels.

    Attributes:
        image: the picture.
        keypoints: (N, K, 2).
        visibility: (N, K), 0 where not labelled, `HIDDEN` where hidden.
        boxes: (N, 4) xyxy, or None.
        outline: (4, 2) corners of what the network sees, or None.
    """

    image: Image
    keypoints: Floats
    visibility: Floats
    boxes: Floats | None = None
    outline: Floats | None = None

    def near_instances(self) -> LabelPicture:
        """Return the part of the picture around boxes, outline and labelled keypoints."""
        corners = [self.keypoints[self.visibility > 0]]
        corners += [part.reshape(-1, 2) for part in (self.boxes, self.outline) if part is not None]
        points = np.concatenate(corners)
        points = points[np.isfinite(points).all(axis=1)]
        height, width = self.image.shape[:2]
        if not len(points):
            return self
        low, high = points.min(axis=0), points.max(axis=0)
        margin = _MARGIN * float((high - low).max())
        x1, y1 = np.clip(np.floor(low - margin), 0, (width - 1, height - 1)).astype(int)
        x2, y2 = np.clip(np.ceil(high + margin), (x1 + 1, y1 + 1), (width, height)).astype(int)
        return self._moved(self.image[y1:y2, x1:x2], np.array([x1, y1]), 1.0)

    def draw(self, skeleton: Skeleton, size: tuple[int, int]) -> Image:
        """Return the picture, as large as fits in a size (w, h), with everything drawn on it."""
        height, width = self.image.shape[:2]
        scale = min(size[0] / width, size[1] / height)
        target = (max(round(width * scale), 1), max(round(height * scale), 1))
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        image = np.asarray(cv2.resize(self.image, target, interpolation=method))
        return self._moved(image, np.zeros(2), scale)._draw(skeleton)

    def _moved(self, image: Image, shift: Floats, scale: float) -> LabelPicture:
        def move(points: Floats | None) -> Any:
            if points is None:
                return None
            moved = (points.reshape(-1, 2) - shift) * scale
            return moved.reshape(points.shape).astype(np.float32)

        return replace(
            self,
            image=image,
            keypoints=move(self.keypoints),
            boxes=move(self.boxes),
            outline=move(self.outline),
        )

    def _draw(self, skeleton: Skeleton) -> Image:
        canvas = self.image
        if self.outline is not None:
            canvas = canvas.copy()
            corners = np.round(np.clip(self.outline, -1e5, 1e5)).astype(np.int32)
            cv2.polylines(canvas, [corners], True, _OUTLINE, 1, cv2.LINE_AA)
        poses = Poses(
            keypoints=self.keypoints.astype(np.float32),
            keypoint_scores=(self.visibility > 0).astype(np.float32),
            bboxes=None if self.boxes is None else self.boxes.astype(np.float32),
        )
        canvas = draw_poses(canvas, poses, skeleton, thickness=_THICKNESS, radius=_RADIUS)
        for x, y in self.keypoints[self.visibility == np.float32(HIDDEN)].tolist():
            center = (round(np.clip(x, -1e4, 1e4)), round(np.clip(y, -1e4, 1e4)))
            cv2.circle(canvas, center, _RADIUS - 2, (20, 20, 20), -1, cv2.LINE_AA)
        return canvas


def plot_frames(
    keypoints: Floats, visibility: Floats, skeleton: Skeleton, size: tuple[int, int]
) -> tuple[str, Image]:
    """Draw the 2D poses of a sequence on paper, some of its frames over each other.

    Args:
        keypoints: (T, K, 2).
        visibility: (T, K), 0 where not labelled.
        skeleton: what the keypoints are.
        size: (w, h) of the picture.

    Returns:
        What it shows, and the picture.
    """
    count = len(keypoints)
    chosen = np.unique(np.linspace(0, count - 1, min(count, _MOST_FRAMES)).round().astype(int))
    points, seen = keypoints[chosen, :, :2], visibility[chosen]
    shown = points[seen > 0]
    low, high = (shown.min(axis=0), shown.max(axis=0)) if len(shown) else (np.zeros(2), np.ones(2))
    extent = np.maximum(high - low, 1e-6)
    scale = float(np.min(np.array(size) * 0.84 / extent))
    moved = (points - (low + high) / 2) * scale + np.array(size) / 2
    paper = np.full((size[1], size[0], 3), _PAPER, np.uint8)
    name = "2D" if count == 1 else f"2D, {len(chosen)} of {count} frames"
    picture = LabelPicture(image=paper, keypoints=moved, visibility=seen)
    return name, picture.draw(skeleton, size)
