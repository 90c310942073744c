"""Losses between predicted and target heatmaps.

B samples, K keypoints, H and W cells. Weights of shape (B, K) count for a whole heatmap.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from raypose.errors import ConfigError, RayposeError
from raypose.models.losses.weighting import required_weight, trailing_ones
from raypose.registry import MODELS


@MODELS.register_module()
class KeypointMSELoss(nn.Module):
    """Mean squared error of heatmaps.

    Args:
        use_target_weight: names the intent in a config; as in MMPose, weights count whenever
            `forward` gets them.
        skip_empty_channel: leave out heatmaps whose target is zero everywhere.
        loss_weight: factor of the result.

    Example:
        type: KeypointMSELoss
        use_target_weight: true
    """

    def __init__(
        self,
        use_target_weight: bool = False,
        skip_empty_channel: bool = False,
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__()
        self.use_target_weight = use_target_weight
        self.skip_empty_channel = skip_empty_channel
        self.loss_weight = loss_weight

    def forward(
        self,
        output: Tensor,
        target: Tensor,
        target_weights: Tensor | None = None,
        mask: Tensor | None = None,
    ) -> Tensor:
        """Return the mean over all cells, those that are masked out counting as zero.

        Args:
            output: (B, K, H, W).
            target: (B, K, H, W).
            target_weights: (B, K) or (B, K, H, W).
            mask: (B, K, H, W) or (B, 1, H, W), 0 where nothing is known.

        Raises:
            RayposeError: if shapes do not fit.
        """
        factor = self.cell_weights(target, target_weights, mask)
        error = F.mse_loss(output, target, reduction="none")
        return (error if factor is None else error * factor).mean() * self.loss_weight

    def cell_weights(
        self, target: Tensor, target_weights: Tensor | None, mask: Tensor | None
    ) -> Tensor | None:
        """Return what the error of each cell is multiplied by, None for 1.

        Raises:
            RayposeError: if shapes do not fit.
        """
        factor = None
        if mask is not None:
            factor = _fitting("mask", mask, target)
        if target_weights is not None:
            if tuple(target_weights.shape) != tuple(target.shape[: target_weights.dim()]):
                raise RayposeError(
                    f"target_weights of shape {tuple(target_weights.shape)} do not fit heatmaps "
                    f"of shape {tuple(target.shape)}; (B, K) or (B, K, H, W) is expected"
                )
            weight = trailing_ones(target_weights, target)
            factor = weight if factor is None else factor * weight
        if self.skip_empty_channel:
            used = (target != 0).flatten(2).any(dim=2)[..., None, None]
            factor = used if factor is None else factor * used
        return factor


@MODELS.register_module()
class CombinedTargetMSELoss(nn.Module):
    """Mean squared error of UDP's combined targets: a response map and two offset maps.

    Offsets count as far as the target's response does. Huang et al.: "The Devil is in the
    Details: Delving into Unbiased Data Processing for Human Pose Estimation", CVPR 2020.

    Args:
        use_target_weight: multiply by the weights of the keypoints.
        loss_weight: factor of the result.

    Example:
        type: CombinedTargetMSELoss
        use_target_weight: true
    """

    def __init__(self, use_target_weight: bool = False, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.use_target_weight = use_target_weight
        self.loss_weight = loss_weight

    def forward(
        self, output: Tensor, target: Tensor, target_weights: Tensor | None = None
    ) -> Tensor:
        """Return half the sum of the mean squared errors of response, x and y.

        Args:
            output: (B, 3K, H, W), for each keypoint its response, x and y.
            target: (B, 3K, H, W).
            target_weights: (B, K).

        Raises:
            RayposeError: if the channels are no multiple of 3, or weights are missing.
        """
        if output.shape[1] % 3:
            raise RayposeError(
                "CombinedTargetMSELoss expects 3 channels for each keypoint (response, x, y), "
                f"got {output.shape[1]} channels"
            )
        response, *offsets = output.unflatten(1, (-1, 3)).unbind(2)
        response_target, *offset_targets = target.unflatten(1, (-1, 3)).unbind(2)
        if self.use_target_weight:
            weight = required_weight(self, target_weights)[..., None, None]
            response, response_target = response * weight, response_target * weight
        loss = F.mse_loss(response, response_target)
        for offset, offset_target in zip(offsets, offset_targets, strict=True):
            loss = loss + F.mse_loss(response_target * offset, response_target * offset_target)
        return 0.5 * loss * self.loss_weight


@MODELS.register_module()
class KeypointOHKMMSELoss(nn.Module):
    """Mean squared error of the hardest heatmaps of each sample.

    Online hard keypoint mining, Chen et al.: "Cascaded Pyramid Network for Multi-Person Pose
    Estimation", CVPR 2018.

    Args:
        use_target_weight: multiply heatmaps by the weights of the keypoints.
        topk: how many keypoints of each sample count.
        loss_weight: factor of the result.

    Raises:
        ConfigError: if `topk` is not positive.

    Example:
        type: KeypointOHKMMSELoss
        use_target_weight: true
        topk: 8
    """

    def __init__(
        self, use_target_weight: bool = False, topk: int = 8, loss_weight: float = 1.0
    ) -> None:
        super().__init__()
        if topk < 1:
            raise ConfigError(f"KeypointOHKMMSELoss: topk must be at least 1, got {topk}")
        self.use_target_weight = use_target_weight
        self.topk = topk
        self.loss_weight = loss_weight

    def forward(
        self, output: Tensor, target: Tensor, target_weights: Tensor | None = None
    ) -> Tensor:
        """Return the mean over the `topk` largest errors of each sample.

        Args:
            output: (B, K, H, W).
            target: (B, K, H, W).
            target_weights: (B, K).

        Raises:
            RayposeError: if there are fewer than `topk` keypoints, or weights are missing.
        """
        K = output.shape[1]
        if K < self.topk:
            raise RayposeError(
                f"KeypointOHKMMSELoss: topk={self.topk} is more than the {K} keypoints there are"
            )
        if self.use_target_weight:
            weight = required_weight(self, target_weights)[..., None, None]
            output, target = output * weight, target * weight
        errors = F.mse_loss(output, target, reduction="none").flatten(2).mean(dim=2)
        return errors.topk(self.topk, dim=1, sorted=False).values.mean() * self.loss_weight


@MODELS.register_module()
class AdaptiveWingLoss(nn.Module):
    """Adaptive wing loss of heatmaps: steep near peaks, flat in the background.

    Wang et al.: "Adaptive Wing Loss for Robust Face Alignment via Heatmap Regression",
    ICCV 2019.

    Args:
        alpha: exponent; more than the largest target.
        omega: height of the curved part.
        epsilon: width of the curved part.
        theta: error at which the loss becomes linear.
        use_target_weight: multiply heatmaps by the weights.
        loss_weight: factor of the result.

    Example:
        type: AdaptiveWingLoss
        use_target_weight: true
    """

    def __init__(
        self,
        alpha: float = 2.1,
        omega: float = 14,
        epsilon: float = 1,
        theta: float = 0.5,
        use_target_weight: bool = False,
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__()
        self.alpha = float(alpha)
        self.omega = float(omega)
        self.epsilon = float(epsilon)
        self.theta = float(theta)
        self.use_target_weight = use_target_weight
        self.loss_weight = loss_weight

    def forward(
        self, output: Tensor, target: Tensor, target_weights: Tensor | None = None
    ) -> Tensor:
        """Return the mean over all cells.

        Args:
            output: (B, K, H, W).
            target: (B, K, H, W).
            target_weights: (B, K) or (B, K, H, W).

        Raises:
            RayposeError: if weights are missing or do not fit.
        """
        if self.use_target_weight:
            weight = trailing_ones(required_weight(self, target_weights), target)
            output, target = output * weight, target * weight
        error = (target - output).abs()
        power = self.alpha - target
        ratio = self.theta / self.epsilon
        # Value and slope of the curve at theta, where the straight line goes on.
        bend = 1 + torch.pow(ratio, power)
        slope = self.omega / self.epsilon * power * torch.pow(ratio, power - 1) / bend
        curved = self.omega * torch.log(1 + torch.pow(error / self.epsilon, power))
        straight = slope * (error - self.theta) + self.omega * torch.log(bend)
        return torch.where(error < self.theta, curved, straight).mean() * self.loss_weight


@MODELS.register_module()
class FocalHeatmapLoss(KeypointMSELoss):
    """Focal loss of heatmaps with values in 0..1, 1 only at the centres.

    Law and Deng: "CornerNet: Detecting Objects as Paired Keypoints", ECCV 2018.

    Args:
        alpha: how much easy cells are played down.
        beta: how much cells near a centre are played down.
        use_target_weight: see `KeypointMSELoss`.
        skip_empty_channel: see `KeypointMSELoss`.
        loss_weight: factor of the result.

    Example:
        type: FocalHeatmapLoss
        loss_weight: 4.0
    """

    def __init__(
        self,
        alpha: int = 2,
        beta: int = 4,
        use_target_weight: bool = False,
        skip_empty_channel: bool = False,
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__(use_target_weight, skip_empty_channel, loss_weight)
        self.alpha = alpha
        self.beta = beta

    def forward(
        self,
        output: Tensor,
        target: Tensor,
        target_weights: Tensor | None = None,
        mask: Tensor | None = None,
    ) -> Tensor:
        """Return the sum over all cells, divided by the number of centres if there are any.

        Args:
            output: (B, K, H, W), probabilities.
            target: (B, K, H, W).
            target_weights: (B, K) or (B, K, H, W).
            mask: (B, K, H, W) or (B, 1, H, W), 0 where nothing is known.

        Raises:
            RayposeError: if shapes do not fit.
        """
        centres, others = target.eq(1).to(output), target.lt(1).to(output)
        factor = self.cell_weights(target, target_weights, mask)
        if factor is not None:
            centres, others = centres * factor, others * factor
        at_centres = torch.log(output) * (1 - output).pow(self.alpha) * centres
        elsewhere = torch.log(1 - output) * output.pow(self.alpha) * others
        total = at_centres.sum() + (elsewhere * (1 - target).pow(self.beta)).sum()
        count = centres.sum()
        return -total / torch.where(count == 0, 1, count) * self.loss_weight


def _fitting(name: str, mask: Tensor, target: Tensor) -> Tensor:
    """Return the mask if it broadcasts to the heatmaps without adding axes."""
    fits = mask.dim() == target.dim() and all(
        given in (1, wanted) for given, wanted in zip(mask.shape, target.shape, strict=True)
    )
    if not fits:
        raise RayposeError(
            f"{name} of shape {tuple(mask.shape)} does not fit heatmaps of shape "
            f"{tuple(target.shape)}; (B, 1, H, W) or (B, K, H, W) is expected"
        )
    return mask
