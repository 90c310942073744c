"""`RandomFlipAroundRoot`: mirror the 2D and the 3D poses of a lifter's sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from raypose.errors import ConfigError, DataError, did_you_mean
from raypose.ops.keypoints import flip_keypoints_custom_center
from raypose.registry import TRANSFORMS
from raypose.structures import PoseSample

_KEYS = ("center_mode", "center_x", "center_index")


@TRANSFORMS.register_module()
class RandomFlipAroundRoot:
    """Mirror keypoints and lifting target horizontally with some probability.

    Poses of all frames of a window (`keypoints_3d`) are mirrored like the target.

    Args:
        keypoints_flip_cfg: how keypoints are mirrored: `center_mode` `static`, about `center_x`
            (0.5) in pixels, `root`, about the keypoints `center_index` (0) of each frame, or
            `image`, about the middle of the camera's image.
        target_flip_cfg: how the lifting target is mirrored, `static` or `root`.
        flip_prob: probability of a flip.
        flip_camera: mirror the camera too: its center and its tangential distortion.

    Example:
        type: RandomFlipAroundRoot
        keypoints_flip_cfg: {center_mode: static, center_x: 500.0}
        target_flip_cfg: {center_mode: static, center_x: 0.0}
    """

    def __init__(
        self,
        keypoints_flip_cfg: Mapping[str, Any],
        target_flip_cfg: Mapping[str, Any],
        flip_prob: float = 0.5,
        flip_camera: bool = False,
    ) -> None:
        problems = [
            f"{where}: unknown key '{key}'.{did_you_mean(str(key), _KEYS)}"
            for where, cfg in (
                ("keypoints_flip_cfg", keypoints_flip_cfg),
                ("target_flip_cfg", target_flip_cfg),
            )
            for key in cfg
            if key not in _KEYS
        ]
        if flip_camera and keypoints_flip_cfg.get("center_mode", "static") == "root":
            problems.append("flip_camera needs keypoints that are mirrored about a static center")
        if target_flip_cfg.get("center_mode") == "image":
            problems.append("target_flip_cfg: center_mode is 'static' or 'root', got 'image'")
        if problems:
            raise ConfigError(problems)
        self.keypoints_flip_cfg = dict(keypoints_flip_cfg)
        self.target_flip_cfg = dict(target_flip_cfg)
        self.flip_prob = flip_prob
        self.flip_camera = flip_camera

    def __call__(self, sample: PoseSample) -> PoseSample:
        """Mirror the sample or leave it as it is.

        Raises:
            DataError: if the sample has no keypoints, target, mirror partners or camera.
        """
        if sample.rng.random() >= self.flip_prob:
            return sample
        keypoints = sample.keypoints
        if (
            keypoints is None
            or sample.meta.get("lifting_target") is None
            or sample.flip_indices is None
        ):
            raise DataError(
                f"sample {sample.id}: RandomFlipAroundRoot needs keypoints, "
                "meta['lifting_target'] and 'flip_indices'"
            )
        visible = sample.keypoints_visible
        if visible is None:
            visible = np.ones(keypoints.shape[:-1], np.float32)
        flip_cfg = self._keypoints_flip_cfg(sample)
        sample.keypoints, sample.keypoints_visible = flip_keypoints_custom_center(
            keypoints, visible, sample.flip_indices, **flip_cfg
        )
        for name in ("lifting_target", "keypoints_3d"):
            if name in sample.meta:
                self._mirror_poses(sample, name, sample.flip_indices)
        if self.flip_camera:
            center_x = float(flip_cfg.get("center_x", 0.5))
            sample.meta["camera_param"] = self._mirrored_camera(sample, center_x)
        return sample

    def _mirror_poses(self, sample: PoseSample, name: str, flip_indices: Sequence[int]) -> None:
        """Mirror poses (S, K, 3) of the sample's `meta` and their visibility."""
        poses, visible = sample.meta[name], sample.meta.get(f"{name}_visible")
        if visible is None:
            visible = np.ones(poses.shape[:-1], np.float32)
        poses, visible = flip_keypoints_custom_center(
            poses, visible, flip_indices, **self.target_flip_cfg
        )
        sample.meta[name], sample.meta[f"{name}_visible"] = poses, visible

    def _keypoints_flip_cfg(self, sample: PoseSample) -> dict[str, Any]:
        """Where this sample's keypoints are mirrored."""
        if self.keypoints_flip_cfg.get("center_mode") != "image":
            return self.keypoints_flip_cfg
        camera = sample.meta.get("camera_param") or {}
        if "w" not in camera:
            raise DataError(
                f"sample {sample.id}: center_mode 'image' needs meta['camera_param']['w']"
            )
        return {"center_mode": "static", "center_x": float(camera["w"]) / 2}

    def _mirrored_camera(self, sample: PoseSample, center_x: float) -> dict[str, Any]:
        """Camera that sees the mirrored target at the mirrored keypoints."""
        camera = dict(sample.meta.get("camera_param") or {})
        if "c" not in camera:
            raise DataError(f"sample {sample.id}: flip_camera needs meta['camera_param']['c']")
        center = np.array(camera["c"])
        center[0] = 2 * center_x - center[0]
        camera["c"] = center
        if "p" in camera:
            # The second coefficient is the one that displaces x by x squared.
            camera["p"] = np.array(camera["p"])
            camera["p"][1] *= -1
        return camera
