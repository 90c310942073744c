"""`MotionBERTLabel`: 2D sequences to 3D sequences in image space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from raypose.codecs.arguments import visible_or_ones
from raypose.codecs.base import BaseKeypointCodec
from raypose.codecs.lifting import (
    check_cameras,
    image_sizes,
    network_input,
    root_indices,
    target_weights,
)
from raypose.errors import RayposeError
from raypose.ops.image_space import camera_to_image_coord
from raypose.registry import CODECS

# Of image space to camera space where the camera or the target is unknown, as MMPose has it.
_USUAL_FACTOR = 4.0


@CODECS.register_module()
class MotionBERTLabel(BaseKeypointCodec):
    """Poses about their root in image space, inputs relative to the middle of the image.

    "MotionBERT: A Unified Perspective on Learning Human Motion Representations",
    https://arxiv.org/abs/2210.06551.

    Encodes keypoints (B, T, K, D) with the cameras' `w` and `h` in pixels to `keypoint_labels`,
    the network's input, (B, T, K, D): x and y less half the size, divided by w / 2; and to
    `factor` (B, T, 1), which maps image space, in thousands of pixels, to camera space. With a
    `lifting_target` (B, T, K, C) also `lifting_target_label`, `lifting_target_weight` and
    `target_root` (B, T, C). Where the cameras have `f` and `c` the label is in image space, as
    the network is meant to learn it. Decodes (B, T, K, C), or with the sizes of the images and the
    factors also camera space.

    Args:
        num_keypoints: K.
        root_index: root keypoint.
        remove_root: false; the network regresses the root, too.
        save_index: false; without effect while the root is not removed.
        concat_vis: add the visibility to the input.
        rootrel: decode the root as the origin, whatever the network says.
        mode: `train` for labels in units of w / 2, as the network's output is, `test` for labels
            in camera space.

    Raises:
        RayposeError: for an unknown `mode`, a root that is no keypoint or is to be removed.

    Example:
        type: MotionBERTLabel
        num_keypoints: 17
        concat_vis: true
        mode: train
    """

    target_keys = (
        "lifting_target_label",
        "lifting_target_weight",
        "lifting_target",
        "lifting_target_visible",
        "target_root",
        "factor",
    )
    auxiliary_encode_keys = ("lifting_target", "lifting_target_visible", "camera_param", "factor")
    input_key = "keypoint_labels"

    def __init__(
        self,
        num_keypoints: int,
        root_index: int = 0,
        remove_root: bool = False,
        save_index: bool = False,
        concat_vis: bool = False,
        rootrel: bool = False,
        mode: Literal["train", "test"] = "test",
    ) -> None:
        if mode not in ("train", "test"):
            raise RayposeError(f"MotionBERTLabel: mode is 'train' or 'test', got {mode!r}")
        if remove_root or save_index:
            raise RayposeError(
                "MotionBERTLabel: remove_root and save_index are false: the root stays in the pose"
            )
        self.num_keypoints = num_keypoints
        self.root_index = root_indices(root_index, num_keypoints)[0]
        self.concat_vis = concat_vis
        self.rootrel = rootrel
        self.mode = mode

    def encode(
        self,
        keypoints: Tensor,
        keypoints_visible: Tensor | None = None,
        lifting_target: Tensor | None = None,
        lifting_target_visible: Tensor | None = None,
        camera_param: Sequence[Mapping[str, Any]] | None = None,
        factor: Tensor | None = None,
        **annotations: Any,
    ) -> dict[str, Any]:
        """Make the network's input and the factor, and targets where there is a `lifting_target`.

        A given `factor` (B, T) counts for samples where it does not start with 0.

        Raises:
            RayposeError: if a camera is missing or lacks the size of its image.
        """
        visible = visible_or_ones(keypoints, keypoints_visible)
        cameras = check_cameras("MotionBERTLabel", camera_param, len(keypoints), ("w", "h"))
        sizes = image_sizes(cameras).to(keypoints, non_blocking=True)[:, None, None]
        label, computed = lifting_target, keypoints.new_full(keypoints.shape[:2], _USUAL_FACTOR)
        if lifting_target is not None and all(
            "f" in camera and "c" in camera for camera in cameras
        ):
            lens = (
                _lens(cameras, name).to(lifting_target, non_blocking=True) for name in ("f", "c")
            )
            label, computed = camera_to_image_coord(self.root_index, lifting_target, *lens)
            # Zeros that stand for a target that is not known are not in front of the camera.
            seen = lifting_target[..., self.root_index, 2] > 0
            computed = torch.where(seen, computed, _USUAL_FACTOR)
        factor = computed if factor is None else torch.where(factor[:, :1] == 0, computed, factor)
        encoded: dict[str, Any] = {
            "keypoint_labels": network_input(
                _normalized(keypoints, sizes), visible, self.concat_vis, reshape=False
            ),
            "keypoint_labels_visible": visible,
            "factor": factor[..., None],
        }
        if lifting_target is None or label is None:
            return encoded
        if self.mode == "train":
            label = _normalized(label, sizes / 1000)
        label = label - label[..., self.root_index, None, :]
        if self.mode == "test":
            label = label * factor[..., None, None]
        weights, _ = target_weights(lifting_target, lifting_target_visible)
        encoded["lifting_target_label"] = encoded["lifting_target"] = label
        encoded["lifting_target_weight"] = weights
        encoded["lifting_target_visible"] = visible_or_ones(lifting_target, lifting_target_visible)
        encoded["target_root"] = lifting_target[..., self.root_index, :]
        return encoded

    def decode(self, encoded: Tensor | Sequence[Tensor | None]) -> tuple[Tensor, Tensor]:
        """Return keypoints (B, T, K, C) and scores of 1.

        Keypoints are relative to the root, divided by 1000: without more than the poses in units
        of w / 2, with the sizes of the images in thousands of pixels, with the factors, too, in
        the unit of camera space.

        Args:
            encoded: poses (B, T, K, C), alone or followed by the widths and heights of the images
                (B, 1) or (B, T), the factors (B, T, 1) and the positions of the roots (B, T, C) in
                camera space, which are added; any of them may be None.
        """
        poses, *more = [encoded] if isinstance(encoded, Tensor) else encoded
        width, height, factor, root = [*more, None, None, None, None][:4]
        assert poses is not None, "a lifter's output starts with its poses"
        poses = poses.detach().float()
        if self.rootrel:
            poses = _without_root(poses, self.root_index)
        if width is not None and height is not None:
            width, height = (side.to(poses)[..., None] for side in (width, height))
            corner = torch.stack([torch.ones_like(width), height / width], dim=-1)
            half = width[..., None] / 2
            poses = torch.cat([poses[..., :2] + corner, poses[..., 2:]], dim=-1) * half
        if factor is not None:
            poses = poses * factor.to(poses)[..., None]
        poses = (poses - poses[..., self.root_index, None, :]) / 1000
        if root is not None:
            poses = poses + root.to(poses)[..., None, :]
        return poses, torch.ones_like(poses[..., 0])


def _normalized(points: Tensor, sizes: Tensor) -> Tensor:
    """Measure points (B, T, K, D) from the middle of images (B, 1, 1, 2) in units of w / 2."""
    half = sizes[..., :1] / 2
    return torch.cat([points[..., :2] / half - sizes / sizes[..., :1], points[..., 2:] / half], -1)


def _without_root(poses: Tensor, root: int) -> Tensor:
    """Return poses (B, T, K, C) whose root is the origin."""
    return torch.cat(
        [poses[..., :root, :], torch.zeros_like(poses[..., :1, :]), poses[..., root + 1 :, :]], -2
    )


def _lens(cameras: Sequence[Mapping[str, Any]], name: str) -> Tensor:
    """Return `f` or `c` (B, 2) of the cameras, on the CPU."""
    values = [np.asarray(camera[name], np.float32).reshape(2) for camera in cameras]
    return torch.from_numpy(np.stack(values))
