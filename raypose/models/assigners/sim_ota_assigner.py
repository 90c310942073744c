"""`SimOTAAssigner`: the predictions that learn each person, chosen by how well they do already.

Ge et al.: "YOLOX: Exceeding YOLO Series in 2021". B images, A priors (the points that predictions
start from), N instances (padded), K keypoints, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from raypose.errors import ConfigError
from raypose.registry import MODELS

_FAR = 1e5  # cost of a prior outside of an instance
_EPS = 1e-7
# Distances of poses at a time, which bounds the memory.
_MOST_DISTANCES = 1 << 25

DEFAULT_IOU: Mapping[str, Any] = MappingProxyType({"type": "BBoxOverlaps2D"})
DEFAULT_OKS: Mapping[str, Any] = MappingProxyType({"type": "PoseOKS"})


class Truth(NamedTuple):
    """What is annotated, in input space.

    Attributes:
        bboxes: (B, N, 4) xyxy.
        labels: (B, N) int64, class of each instance, -1 for padding.
        keypoints: (B, N, K, 2).
        keypoints_visible: (B, N, K).
        areas: (B, N), square pixels.
    """

    bboxes: Tensor
    labels: Tensor
    keypoints: Tensor
    keypoints_visible: Tensor
    areas: Tensor


class Assignment(NamedTuple):
    """The instance of each prior.

    Attributes:
        instances: (B, A) int64, -1 for priors that stand for nobody.
        overlaps: (B, A) similarity of the prediction to its instance, 0 without one.
    """

    instances: Tensor
    overlaps: Tensor


@MODELS.register_module()
class SimOTAAssigner(nn.Module):
    """Give each instance the priors whose predictions cost least.

    Candidates are priors inside an instance's box or near its middle. Each instance gets about
    as many as its best predictions overlap it in sum, at least one; a prior that several want
    goes to the cheapest.

    Args:
        center_radius: half the side of the square round the middle, in strides.
        candidate_topk: most priors of an instance.
        iou_weight: weight of -log IoU in the cost.
        cls_weight: weight of the cross entropy of the score.
        oks_weight: weight of -log OKS.
        vis_weight: weight of the cross entropy of visibilities.
        dynamic_k_indicator: overlap that counts: `iou` or `oks`.
        use_keypoints_for_center: take the mean of the visible keypoints for the middle.
        iou_calculator: config of the overlap of boxes, or a module.
        oks_calculator: config of the similarity of poses, or a module.

    Raises:
        ConfigError: for another `dynamic_k_indicator`.

    Example:
        type: SimOTAAssigner
        dynamic_k_indicator: oks
        oks_calculator: {type: PoseOKS, metainfo: coco}
        use_keypoints_for_center: true
    """

    def __init__(
        self,
        center_radius: float = 2.5,
        candidate_topk: int = 10,
        iou_weight: float = 3.0,
        cls_weight: float = 1.0,
        oks_weight: float = 3.0,
        vis_weight: float = 0.0,
        dynamic_k_indicator: str = "iou",
        use_keypoints_for_center: bool = False,
        iou_calculator: Mapping[str, Any] | nn.Module = DEFAULT_IOU,
        oks_calculator: Mapping[str, Any] | nn.Module = DEFAULT_OKS,
    ) -> None:
        super().__init__()
        if dynamic_k_indicator not in ("iou", "oks"):
            raise ConfigError(
                "SimOTAAssigner: dynamic_k_indicator is 'iou' or 'oks', "
                f"got {dynamic_k_indicator!r}"
            )
        self.center_radius = center_radius
        self.candidate_topk = candidate_topk
        self.iou_weight = iou_weight
        self.cls_weight = cls_weight
        self.oks_weight = oks_weight
        self.vis_weight = vis_weight
        self.dynamic_k_indicator = dynamic_k_indicator
        self.use_keypoints_for_center = use_keypoints_for_center
        self.iou_calculator: nn.Module = MODELS.build(iou_calculator)
        self.oks_calculator: nn.Module = MODELS.build(oks_calculator)

    @torch.no_grad()
    def assign(
        self,
        priors: Tensor,
        scores: Tensor,
        bboxes: Tensor,
        keypoints: Tensor,
        keypoints_visible: Tensor,
        truth: Truth,
    ) -> Assignment:
        """Assign instances to priors; nothing waits for the device.

        Args:
            priors: (A, 4) x, y and the stride in x and y.
            scores: (B, A, C) in 0..1.
            bboxes: (B, A, 4) xyxy, predicted.
            keypoints: (B, A, K, 2), predicted.
            keypoints_visible: (B, A, K) in 0..1, predicted.
            truth: what is annotated.
        """
        if truth.labels.shape[1] == 0:
            nobody = bboxes.new_zeros(bboxes.shape[:2])
            return Assignment(nobody.long() - 1, nobody)
        inside, central = self._location(priors, truth)
        real = (truth.labels >= 0)[:, None]  # (B, 1, N)
        candidate = ((inside | central) & real).any(dim=-1, keepdim=True) & real  # (B, A, N)
        iou = self.iou_calculator(bboxes[:, :, None], truth.bboxes[:, None])
        oks = self._similarity(keypoints, truth)
        cost = _FAR * (~(inside & central)).to(iou)
        if self.iou_weight > 0:
            cost = cost - self.iou_weight * torch.log(iou + _EPS)
        if self.oks_weight > 0:
            cost = cost - self.oks_weight * torch.log(oks + _EPS)
        if self.cls_weight > 0:
            wanted = one_hot(truth.labels, scores.shape[-1])
            cost = cost + self.cls_weight * _entropy(scores, wanted)
        if self.vis_weight > 0:
            cost = cost + self.vis_weight * _entropy(keypoints_visible, truth.keypoints_visible)
        overlaps = iou if self.dynamic_k_indicator == "iou" else oks
        return self._match(
            cost.masked_fill(~candidate, torch.inf), overlaps.masked_fill(~candidate, 0.0)
        )

    def _location(self, priors: Tensor, truth: Truth) -> tuple[Tensor, Tensor]:
        """Say which priors are inside the box of an instance, and which near its middle.

        Returns:
            Two masks (B, A, N).
        """
        points, strides = priors[:, None, :2], priors[:, None, 2:]
        low, high = truth.bboxes[:, None, :, :2], truth.bboxes[:, None, :, 2:]
        inside = ((points > low) & (points < high)).all(dim=-1)
        middle = (low + high) / 2
        if self.use_keypoints_for_center:
            weight = truth.keypoints_visible[..., None]
            total = weight.sum(dim=-2)
            mean = (truth.keypoints * weight).sum(dim=-2) / total
            middle = torch.where(total[:, None] > 0, mean[:, None], middle)
        radius = self.center_radius * strides
        return inside, ((points > middle - radius) & (points < middle + radius)).all(dim=-1)

    def _similarity(self, keypoints: Tensor, truth: Truth) -> Tensor:
        """Return the OKS (B, A, N) of all predictions with all instances."""
        B = len(keypoints)
        images = max(_MOST_DISTANCES // (keypoints[0, ..., 0].numel() * truth.labels.shape[1]), 1)
        parts = [
            self.oks_calculator(
                keypoints[some, :, None],
                truth.keypoints[some, None],
                truth.keypoints_visible[some, None],
                truth.areas[some, None],
            )
            for some in (slice(start, start + images) for start in range(0, B, images))
        ]
        return torch.cat(parts)

    def _match(self, cost: Tensor, overlaps: Tensor) -> Assignment:
        """Choose from costs (B, A, N), infinite where a prior is no candidate."""
        most = min(self.candidate_topk, cost.shape[1])
        number = overlaps.topk(most, dim=1).values.sum(dim=1, keepdim=True).int().clamp(min=1)
        cheapest = cost.topk(most, dim=1, largest=False)
        rank = torch.arange(most, device=cost.device)[:, None]
        chosen = (rank < number) & cheapest.values.isfinite()
        wants = torch.zeros_like(cost, dtype=torch.bool).scatter(1, cheapest.indices, chosen)
        suitors = wants.sum(dim=-1)
        # A prior that one instance wants goes to it, also where another one would be cheaper.
        price = torch.where((suitors[..., None] == 1) & ~wants, torch.inf, cost)
        instances = price.argmin(dim=-1)
        taken = overlaps.gather(-1, instances[..., None])[..., 0]
        return Assignment(
            torch.where(suitors > 0, instances, -1), torch.where(suitors > 0, taken, 0.0)
        )


def one_hot(labels: Tensor, classes: int) -> Tensor:
    """Return (..., C) float32 that is 1 at the label; torch's own waits for the device."""
    return (labels[..., None] == torch.arange(classes, device=labels.device)).float()


def _entropy(probability: Tensor, wanted: Tensor) -> Tensor:
    """Return the cross entropy (B, A, N) of (B, A, L) with (B, N, L), summed over labels."""
    # Logarithms have torch's lower bound of its own cross entropy.
    yes = torch.log(probability).clamp(min=-100)
    no = torch.log1p(-probability).clamp(min=-100)
    return -(yes @ wanted.mT + no @ (1 - wanted).mT)
