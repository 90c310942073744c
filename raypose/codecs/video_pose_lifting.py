"""`VideoPoseLifting`: 2D keypoints of a sequence to 3D, normalised by the size of the image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from raypose.codecs.arguments import visible_or_ones
from raypose.codecs.base import BaseKeypointCodec
from raypose.codecs.lifting import (
    check_cameras,
    image_sizes,
    network_input,
    restore_root,
    root_indices,
    root_position,
    split_output,
    target_weights,
    without_keypoint,
)
from raypose.registry import CODECS


@CODECS.register_module()
class VideoPoseLifting(BaseKeypointCodec):
    """Poses relative to their root, inputs relative to the middle of the image.

    "3D human pose estimation in video with temporal convolutions and semi-supervised training",
    https://arxiv.org/abs/1811.11742.

    Encodes keypoints (B, T, K, D) with the cameras' `w` and `h` in pixels to `keypoint_labels`,
    the network's input, (B, K * D, T) or (B, T, K, D): x and y less half the size, divided by
    w / 2. With a `lifting_target` (B, S, K, C) also `lifting_target_label`,
    `lifting_target_weight`, `trajectory_weights` and, zero-centred, `target_root` (B, S, C).
    Decodes (B, K, C), or with the root's position also (B, S, C).

    Args:
        num_keypoints: K.
        zero_center: make targets relative to their root.
        root_index: root keypoint, or several whose mean is the root.
        remove_root: leave the root out of a zero-centred target, where it is one keypoint.
        save_index: also encode `target_root_index` where the root is left out.
        reshape_keypoints: lay the input out as (K * D, T).
        concat_vis: add the visibility to the input.
        normalize_camera: also encode `camera_param` with `f` and `c` in the input's units.

    Example:
        type: VideoPoseLifting
        num_keypoints: 17
        zero_center: true
        root_index: 0
        remove_root: false
    """

    target_keys = (
        "lifting_target_label",
        "lifting_target_weight",
        "trajectory_weights",
        "target_root",
    )
    auxiliary_encode_keys = ("lifting_target", "lifting_target_visible", "camera_param")
    input_key = "keypoint_labels"

    def __init__(
        self,
        num_keypoints: int,
        zero_center: bool = True,
        root_index: int | Sequence[int] = 0,
        remove_root: bool = False,
        save_index: bool = False,
        reshape_keypoints: bool = True,
        concat_vis: bool = False,
        normalize_camera: bool = False,
    ) -> None:
        self.num_keypoints = num_keypoints
        self.zero_center = zero_center
        self.root_index = root_indices(root_index, num_keypoints)
        self.remove_root = remove_root
        self.save_index = save_index
        self.reshape_keypoints = reshape_keypoints
        self.concat_vis = concat_vis
        self.normalize_camera = normalize_camera
        # A root that is the mean of several keypoints is none of them and cannot be left out.
        removable = remove_root and len(self.root_index) == 1
        self._removed = self.root_index[0] if removable else None

    def encode(
        self,
        keypoints: Tensor,
        keypoints_visible: Tensor | None = None,
        lifting_target: Tensor | None = None,
        lifting_target_visible: Tensor | None = None,
        camera_param: Sequence[Mapping[str, Any]] | None = None,
        **annotations: Any,
    ) -> dict[str, Any]:
        """Make the network's input, and targets where there is a `lifting_target`.

        Raises:
            RayposeError: if a camera is missing or lacks a value.
        """
        visible = visible_or_ones(keypoints, keypoints_visible)
        needed = ("w", "h", "f", "c") if self.normalize_camera else ("w", "h")
        cameras = check_cameras("VideoPoseLifting", camera_param, len(keypoints), needed)
        middle = (0.5 * image_sizes(cameras)).to(keypoints, non_blocking=True)[:, None, None]
        points = (keypoints - middle) / middle[..., :1]
        encoded: dict[str, Any] = {
            "keypoint_labels": network_input(
                points, visible, self.concat_vis, self.reshape_keypoints
            ),
            "keypoints_visible": visible,
        }
        if self.normalize_camera:
            encoded["camera_param"] = [_in_input_units(camera) for camera in cameras]
        if lifting_target is not None:
            encoded.update(self._encode_target(lifting_target, lifting_target_visible))
        return encoded

    def decode(self, encoded: Tensor | Sequence[Tensor | None]) -> tuple[Tensor, Tensor]:
        """Return keypoints (B, N, K, C), in camera space where a root is given, and scores of 1.

        Args:
            encoded: poses (B, K, C) or (B, N, K, C), or a pair with root positions (B, N, C).
        """
        poses, root = split_output(encoded)
        if root is not None:
            poses = restore_root(poses, root, self._removed)
        return poses, torch.ones_like(poses[..., 0])

    def _encode_target(self, target: Tensor, visible: Tensor | None) -> dict[str, Any]:
        weights, trajectory_weights = target_weights(target, visible)
        encoded: dict[str, Any] = {}
        label = target
        if self.zero_center:
            root = root_position(target, self.root_index)
            encoded["target_root"] = root
            label = target - root[:, :, None]
            if self._removed is not None:
                label = without_keypoint(label, self._removed)
                weights = without_keypoint(weights, self._removed)
                encoded["target_root_removed"] = target.new_ones(len(target), dtype=torch.bool)
                if self.save_index:
                    encoded["target_root_index"] = target.new_full(
                        (len(target),), self._removed, dtype=torch.long
                    )
        encoded["lifting_target_label"] = label
        encoded["lifting_target_weight"] = weights
        encoded["trajectory_weights"] = trajectory_weights
        return encoded


def _in_input_units(camera: Mapping[str, Any]) -> dict[str, Any]:
    """Camera with focal lengths and centre (2, 1) as `keypoint_labels` measure."""
    focal, center = (torch.as_tensor(camera[name], dtype=torch.float32) for name in ("f", "c"))
    scale = 0.5 * camera["w"]
    middle = torch.tensor([[scale], [0.5 * camera["h"]]], device=center.device)
    return {**camera, "f": focal / scale, "c": (center - middle) / scale}
