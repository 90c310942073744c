"""`ImagePoseLifting`: 2D keypoints of one image to 3D, normalised by statistics of a data set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from raypose.codecs.arguments import visible_or_ones
from raypose.codecs.base import BaseKeypointCodec
from raypose.codecs.lifting import (
    network_input,
    restore_root,
    root_indices,
    root_position,
    split_output,
    target_weights,
    without_keypoint,
)
from raypose.errors import RayposeError
from raypose.registry import CODECS

Numbers = Sequence[Any]  # nested lists of numbers, as they come from YAML


@CODECS.register_module()
class ImagePoseLifting(BaseKeypointCodec):
    """Poses relative to their root, inputs and targets normalised by mean and deviation.

    "A simple yet effective baseline for 3d human pose estimation",
    https://arxiv.org/abs/1705.03098.

    Encodes keypoints (B, T, K, D) to `keypoint_labels`, the network's input, (B, K * D, T) or
    (B, T, K, D); and with a `lifting_target` (B, S, K, C) also `lifting_target_label`,
    `lifting_target_weight`, `trajectory_weights` and `target_root` (B, S, C). Decodes (B, K, C),
    or with the root's position also (B, S, C).

    Args:
        num_keypoints: K.
        root_index: root keypoint, or several whose mean is the root.
        remove_root: leave the root out of the target, where it is one keypoint.
        save_index: also encode `target_root_index` where the root is left out.
        reshape_keypoints: lay the input out as (K * D, T).
        concat_vis: add the visibility to the input.
        keypoints_mean: (K, D).
        keypoints_std: (K, D), needed with the mean.
        target_mean: (K, C), or K - 1 without the root.
        target_std: like `target_mean`, needed with it.
        additional_encode_keys: further annotations that are handed through.

    Raises:
        RayposeError: if a mean comes without its deviation, or numbers do not fit the keypoints.

    Example:
        type: ImagePoseLifting
        num_keypoints: 17
        root_index: 0
        remove_root: true
    """

    target_keys = (
        "lifting_target_label",
        "lifting_target_weight",
        "trajectory_weights",
        "target_root",
    )
    auxiliary_encode_keys = ("lifting_target", "lifting_target_visible")
    input_key = "keypoint_labels"

    def __init__(
        self,
        num_keypoints: int,
        root_index: int | Sequence[int] = 0,
        remove_root: bool = False,
        save_index: bool = False,
        reshape_keypoints: bool = True,
        concat_vis: bool = False,
        keypoints_mean: Numbers | None = None,
        keypoints_std: Numbers | None = None,
        target_mean: Numbers | None = None,
        target_std: Numbers | None = None,
        additional_encode_keys: Sequence[str] | None = None,
    ) -> None:
        self.num_keypoints = num_keypoints
        self.root_index = root_indices(root_index, num_keypoints)
        self.remove_root = remove_root
        self.save_index = save_index
        self.reshape_keypoints = reshape_keypoints
        self.concat_vis = concat_vis
        self.additional_encode_keys = tuple(additional_encode_keys or ())
        self.auxiliary_encode_keys = type(self).auxiliary_encode_keys + self.additional_encode_keys
        # A root that is the mean of several keypoints is none of them and cannot be left out.
        self._removed = self.root_index[0] if remove_root and len(self.root_index) == 1 else None
        targets = num_keypoints if self._removed is None else num_keypoints - 1
        self._keypoints = _statistics("keypoints", keypoints_mean, keypoints_std, num_keypoints)
        self._target = _statistics("target", target_mean, target_std, targets)

    def encode(
        self,
        keypoints: Tensor,
        keypoints_visible: Tensor | None = None,
        lifting_target: Tensor | None = None,
        lifting_target_visible: Tensor | None = None,
        **annotations: Any,
    ) -> dict[str, Any]:
        """Make the network's input, and targets where there is a `lifting_target`."""
        visible = visible_or_ones(keypoints, keypoints_visible)
        encoded: dict[str, Any] = {
            name: annotations[name] for name in self.additional_encode_keys if name in annotations
        }
        points = keypoints
        if self._keypoints is not None:
            mean, std = _on(self._keypoints, keypoints)
            encoded["keypoints_mean"], encoded["keypoints_std"] = mean, std
            points = (keypoints - mean) / std
        encoded["keypoint_labels"] = network_input(
            points, visible, self.concat_vis, self.reshape_keypoints
        )
        encoded["keypoint_labels_visible"] = visible
        if lifting_target is not None:
            encoded.update(self._encode_target(lifting_target, lifting_target_visible))
        return encoded

    def decode(self, encoded: Tensor | Sequence[Tensor | None]) -> tuple[Tensor, Tensor]:
        """Return keypoints (B, N, K, C), in camera space where a root is given, and scores of 1.

        Args:
            encoded: poses (B, K, C) or (B, N, K, C), or a pair with root positions (B, N, C).
        """
        poses, root = split_output(encoded)
        if self._target is not None:
            mean, std = _on(self._target, poses)
            poses = poses * std + mean
        if root is not None:
            poses = restore_root(poses, root, self._removed)
        return poses, torch.ones_like(poses[..., 0])

    def _encode_target(self, target: Tensor, visible: Tensor | None) -> dict[str, Any]:
        weights, trajectory_weights = target_weights(target, visible)
        root = root_position(target, self.root_index)
        label = target - root[:, :, None]
        encoded: dict[str, Any] = {}
        if self._removed is not None:
            label = without_keypoint(label, self._removed)
            weights = without_keypoint(weights, self._removed)
            encoded["target_root_removed"] = target.new_ones(len(target), dtype=torch.bool)
            if self.save_index:
                encoded["target_root_index"] = target.new_full(
                    (len(target),), self._removed, dtype=torch.long
                )
        if self._target is not None:
            mean, std = _on(self._target, label)
            encoded["target_mean"], encoded["target_std"] = mean, std
            label = (label - mean) / std
        encoded["lifting_target_label"] = label
        encoded["lifting_target_weight"] = weights
        encoded["trajectory_weights"] = trajectory_weights
        encoded["target_root"] = root
        return encoded


def _statistics(
    name: str, mean: Numbers | None, std: Numbers | None, num_keypoints: int
) -> tuple[Tensor, Tensor] | None:
    """Mean and deviation (1, K, D) float32."""
    if mean is None and std is None:
        return None
    if mean is None or std is None:
        raise RayposeError(f"{name}_mean and {name}_std are given together or not at all")
    values = [torch.as_tensor(item, dtype=torch.float32) for item in (mean, std)]
    # MMPose's configs have a leading 1 on some of them.
    values = [item[0] if item.ndim == 3 and len(item) == 1 else item for item in values]
    if values[0].shape != values[1].shape or values[0].ndim not in (2, 3):
        raise RayposeError(
            f"{name}_mean {tuple(values[0].shape)} and {name}_std {tuple(values[1].shape)} have "
            f"one shape, ({num_keypoints}, dimensions)"
        )
    if values[0].shape[-2] != num_keypoints:
        raise RayposeError(
            f"{name}_mean has {values[0].shape[-2]} rows for {num_keypoints} keypoints"
        )
    first, second = (value.reshape(1, num_keypoints, -1) for value in values)
    return first, second


def _on(statistics: tuple[Tensor, Tensor], values: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation (B, 1, K, D) on the device of values (B, S, K, D)."""
    mean, std = (item.to(values.device).expand(len(values), -1, -1, -1) for item in statistics)
    return mean, std
