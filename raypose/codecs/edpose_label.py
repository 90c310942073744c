"""`EDPoseLabel`: coordinates relative to the image, as ED-Pose predicts them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from raypose.codecs.arguments import visible_or_ones
from raypose.codecs.base import BaseKeypointCodec
from raypose.errors import RayposeError
from raypose.registry import CODECS
from raypose.structures import PoseBatch


@CODECS.register_module()
class EDPoseLabel(BaseKeypointCodec):
    """Keypoints, boxes and areas in parts of the input's width and height.

    Yang et al.: "Explicit Box Detection Unifies End-to-End Multi-Person Pose Estimation",
    ICLR 2023.

    Encodes `keypoints` (B, N, K, 2), `keypoints_visible` (B, N, K) and, where they are given,
    `bboxes` (B, N, 4) as center, width and height, and `areas` (B, N).

    Args:
        num_select: number of instances that decoding returns.
        num_keypoints: K.

    Example:
        type: EDPoseLabel
        num_select: 50
        num_keypoints: 17
    """

    target_keys = ("keypoints", "keypoints_visible", "bboxes", "areas")
    auxiliary_encode_keys = ("input_sizes", "bboxes", "areas")

    def __init__(self, num_select: int = 100, num_keypoints: int = 17) -> None:
        self.num_select = num_select
        self.num_keypoints = num_keypoints

    def encode(
        self, keypoints: Tensor, keypoints_visible: Tensor | None = None, **annotations: Any
    ) -> dict[str, Any]:
        """Make coordinates relative.

        Args:
            keypoints: (B, N, K, 2), input space.
            keypoints_visible: (B, N, K).
            **annotations: `input_sizes` (B, 2) width and height of each input; `bboxes`
                (B, N, 4) xyxy and `areas` (B, N) where they are known.
        """
        sizes = annotations["input_sizes"].to(keypoints)
        targets = {
            "keypoints": keypoints / sizes[:, None, None],
            "keypoints_visible": visible_or_ones(keypoints, keypoints_visible),
        }
        if "bboxes" in annotations:
            low, high = annotations["bboxes"].chunk(2, dim=-1)
            centers_and_extents = torch.cat([(low + high) / 2, high - low], dim=-1)
            targets["bboxes"] = centers_and_extents / sizes.repeat(1, 2)[:, None]
        if "areas" in annotations:
            targets["areas"] = annotations["areas"] / sizes.prod(dim=-1, keepdim=True)
        return targets

    def encode_batch(self, batch: PoseBatch, keypoint_weights: Tensor | None = None) -> PoseBatch:
        """Return the batch with `targets` filled; sizes are those of the batch's transforms."""
        sizes = torch.tensor([crop.input_size for crop in batch.transforms])
        assert batch.keypoints is not None, "encode_batch needs a batch with keypoints"
        sized = {**batch.annotations, "input_sizes": sizes.to(batch.keypoints.device)}
        encoded = super().encode_batch(batch.replace(annotations=sized), keypoint_weights)
        return encoded.replace(annotations=batch.annotations)

    def decode(self, encoded: Sequence[Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Read the best instances.

        Args:
            encoded: scores (B, Q, C) in 0..1 of Q queries for C classes; boxes (B, Q, 4), center
                and extent; keypoints (B, Q, 3K), first x, y of all, then visibilities; and the
                sizes (B, 2) width and height of the inputs.

        Returns:
            Keypoints (B, S, K, 2) in input space and (scores (B, S, K), boxes (B, S, 4) xyxy),
            the best first; S is `num_select`, or as many as there are.

        Raises:
            RayposeError: if the keypoints are not `num_keypoints`.
        """
        scores, boxes, keypoints, sizes = (values.detach().float() for values in encoded)
        K = self.num_keypoints
        if keypoints.shape[-1] != 3 * K:
            raise RayposeError(
                f"EDPoseLabel with num_keypoints {K} decodes keypoints (B, Q, {3 * K}), "
                f"got {tuple(keypoints.shape)}"
            )
        count = min(self.num_select, scores[0].numel())
        best, index = scores.flatten(1).topk(count, dim=1)
        query = (index // scores.shape[-1])[..., None]
        center, extent = boxes.gather(1, query.expand(-1, -1, 4)).chunk(2, dim=-1)
        corners = torch.cat([center - extent / 2, center + extent / 2], dim=-1)
        points = keypoints[..., : 2 * K].gather(1, query.expand(-1, -1, 2 * K))
        return (
            points.unflatten(-1, (K, 2)) * sizes[:, None, None],
            (best[..., None].expand(-1, -1, K), corners * sizes.repeat(1, 2)[:, None]),
        )
