"""How alike predicted and annotated boxes and poses are, for assigners.

Leading axes broadcast against each other: (A, 1) predictions with (1, N) instances give (A, N).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from raypose.errors import ConfigError, RayposeError
from raypose.registry import MODELS
from raypose.structures import Skeleton


@MODELS.register_module()
class BBoxOverlaps2D(nn.Module):
    """Intersection over union of boxes.

    Example:
        type: BBoxOverlaps2D
    """

    @torch.no_grad()
    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        """Return values (...) in 0..1.

        Args:
            output: (..., 4) boxes, xyxy.
            target: (..., 4) boxes, xyxy.
        """
        low = torch.maximum(output[..., :2], target[..., :2])
        high = torch.minimum(output[..., 2:], target[..., 2:])
        shared = (high - low).clamp(min=0).prod(dim=-1)
        areas = [(boxes[..., 2:] - boxes[..., :2]).prod(dim=-1) for boxes in (output, target)]
        return shared / (areas[0] + areas[1] - shared).clamp(min=1e-6)


@MODELS.register_module()
class PoseOKS(nn.Module):
    """Object keypoint similarity of poses.

    Args:
        metainfo: skeleton whose sigmas scale the distances: name, file or mapping; with null
            distances are not scaled.

    Raises:
        ConfigError: for a skeleton without sigmas.

    Example:
        type: PoseOKS
        metainfo: coco
    """

    sigmas: Tensor | None

    def __init__(self, metainfo: str | Mapping[str, Any] | Skeleton | None = "coco") -> None:
        super().__init__()
        sigmas = None
        if metainfo is not None:
            skeleton = Skeleton.load(metainfo)
            if skeleton.sigmas is None:
                raise ConfigError(f"PoseOKS: skeleton '{skeleton.name}' has no sigmas")
            sigmas = torch.tensor(skeleton.sigmas)
        # Not saved: they are part of the config.
        self.register_buffer("sigmas", sigmas, persistent=False)

    @torch.no_grad()
    def forward(
        self, output: Tensor, target: Tensor, target_weights: Tensor, areas: Tensor
    ) -> Tensor:
        """Return values (...) in 0..1, 0 where no keypoint counts.

        Args:
            output: (..., K, 2), pixels.
            target: (..., K, 2), pixels.
            target_weights: (..., K), 0 for keypoints that do not count.
            areas: (...) sizes of the instances, square pixels.

        Raises:
            RayposeError: for another number of keypoints than the skeleton has.
        """
        if self.sigmas is not None and len(self.sigmas) != output.shape[-2]:
            raise RayposeError(
                f"PoseOKS has sigmas of {len(self.sigmas)} keypoints, poses have "
                f"{output.shape[-2]}; give oks_calculator the metainfo of your skeleton"
            )
        distance = torch.linalg.vector_norm(output - target, dim=-1)
        distance = distance / areas.sqrt().clamp(min=1e-8)[..., None]
        if self.sigmas is not None:
            distance = distance / (2 * self.sigmas)
        share = target_weights / target_weights.sum(dim=-1, keepdim=True).clamp(min=1e-8)
        return (torch.exp(-distance.square() / 2) * share).sum(dim=-1)
