"""Losses of labels and of coordinates that are predicted as distributions over bins.

N instances, K keypoints, L labels; Wx and Wy bins.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from raypose.errors import ConfigError, RayposeError
from raypose.models.losses.weighting import (
    REDUCTIONS,
    check_choice,
    reduce,
    required_weight,
    trailing_ones,
)
from raypose.registry import MODELS


@MODELS.register_module()
class BCELoss(nn.Module):
    """Binary cross entropy of labels.

    Args:
        use_target_weight: multiply by the weights of the labels.
        loss_weight: factor of the result.
        reduction: `mean`, `sum` or `none`.
        use_sigmoid: the outputs went through a sigmoid already; by default they are logits.

    Raises:
        ConfigError: for another `reduction`.

    Example:
        type: BCELoss
        use_sigmoid: true
    """

    def __init__(
        self,
        use_target_weight: bool = False,
        loss_weight: float = 1.0,
        reduction: str = "mean",
        use_sigmoid: bool = False,
    ) -> None:
        super().__init__()
        self.use_target_weight = use_target_weight
        self.loss_weight = loss_weight
        self.reduction = check_choice(self, "reduction", reduction, REDUCTIONS)
        self.use_sigmoid = use_sigmoid

    def forward(
        self, output: Tensor, target: Tensor, target_weight: Tensor | None = None
    ) -> Tensor:
        """Return the loss.

        Args:
            output: (N, L) logits, or probabilities with `use_sigmoid`.
            target: (N, L) in 0..1.
            target_weight: (N, L) or (N,).

        Raises:
            RayposeError: if weights are missing or do not fit.
        """
        entropy = F.binary_cross_entropy_with_logits
        if self.use_sigmoid:
            entropy = F.binary_cross_entropy
        loss = entropy(output, target, reduction="none")
        if self.use_target_weight:
            loss = loss * trailing_ones(required_weight(self, target_weight), loss)
        return reduce(loss, self.reduction) * self.loss_weight


@MODELS.register_module()
class VariFocalLoss(nn.Module):
    """Cross entropy of scores that plays easy negatives down.

    Zhang et al.: "VarifocalNet: An IoU-aware Dense Object Detector", CVPR 2021.

    Args:
        use_target_weight: multiply by the weights of the labels.
        loss_weight: factor of the result.
        reduction: `mean`, `sum` or `none`.
        alpha: weight of negatives.
        gamma: how much easy negatives are played down.

    Raises:
        ConfigError: for another `reduction`.

    Example:
        type: VariFocalLoss
        reduction: sum
        use_target_weight: true
    """

    def __init__(
        self,
        use_target_weight: bool = False,
        loss_weight: float = 1.0,
        reduction: str = "mean",
        alpha: float = 0.75,
        gamma: float = 2.0,
    ) -> None:
        super().__init__()
        self.use_target_weight = use_target_weight
        self.loss_weight = loss_weight
        self.reduction = check_choice(self, "reduction", reduction, REDUCTIONS)
        self.alpha = alpha
        self.gamma = gamma

    def forward(
        self, output: Tensor, target: Tensor, target_weight: Tensor | None = None
    ) -> Tensor:
        """Return the loss; values that are not finite count as zero.

        Args:
            output: (N, L) logits.
            target: (N, L) scores, 0 for negatives.
            target_weight: (N, L) or (N,).

        Raises:
            RayposeError: if weights are missing or do not fit.
        """
        negative = (target <= 1e-4).to(output)
        importance = self.alpha * output.sigmoid().pow(self.gamma) * negative + target
        logits = output.clamp(min=-10, max=10)
        loss = F.binary_cross_entropy_with_logits(logits, target, reduction="none") * importance
        if self.use_target_weight:
            loss = loss * trailing_ones(required_weight(self, target_weight), loss)
        loss = torch.where(loss.isfinite(), loss, 0)
        return reduce(loss, self.reduction) * self.loss_weight


@MODELS.register_module()
class InfoNCELoss(nn.Module):
    """Contrast of feature vectors: each should be like itself and unlike the others.

    van den Oord et al.: "Representation Learning with Contrastive Predictive Coding", 2018.

    Args:
        temperature: lower ones push harder.
        loss_weight: factor of the result.

    Raises:
        ConfigError: if `temperature` is not positive.

    Example:
        type: InfoNCELoss
        temperature: 0.05
    """

    def __init__(self, temperature: float = 1.0, loss_weight: float = 1.0) -> None:
        super().__init__()
        if temperature <= 0:
            raise ConfigError(f"InfoNCELoss: temperature must be above 0, got {temperature}")
        self.temperature = temperature
        self.loss_weight = loss_weight

    def forward(self, features: Tensor, counted: Tensor | None = None) -> Tensor:
        """Return the sum over all vectors.

        Args:
            features: (N, C), or (B, N, C) for B sets of vectors that do not know each other.
            counted: (N,) or (B, N) bool, which vectors there are; the others are padding.
        """
        unit = F.normalize(features, dim=-1)
        similarity = unit @ unit.mT / self.temperature
        if counted is not None:
            # A vector stays in its own row, which would have no finite entry otherwise.
            own = torch.eye(unit.shape[-2], dtype=torch.bool, device=unit.device)
            left_out = ~counted[..., None, :] & ~own
            similarity = similarity.masked_fill(left_out, -torch.inf)
        losses = -similarity.log_softmax(dim=-1).diagonal(dim1=-2, dim2=-1)
        if counted is not None:
            losses = losses * counted
        return losses.sum() * self.loss_weight


@MODELS.register_module()
class KLDiscretLoss(nn.Module):
    """Kullback-Leibler divergence of SimCC's distributions.

    Li et al.: "SimCC: a Simple Coordinate Classification Perspective for Human Pose
    Estimation", ECCV 2022.

    Args:
        beta: factor of the outputs before their softmax.
        label_softmax: put the labels through a softmax, too.
        label_beta: factor of the labels before their softmax.
        use_target_weight: multiply by the weights of the keypoints.
        mask: indices of keypoints that count differently.
        mask_weight: how much these count.

    Example:
        type: KLDiscretLoss
        beta: 10.0
        label_softmax: true
    """

    mask: Tensor | None

    def __init__(
        self,
        beta: float = 1.0,
        label_softmax: bool = False,
        label_beta: float = 10.0,
        use_target_weight: bool = True,
        mask: Sequence[int] | None = None,
        mask_weight: float = 1.0,
    ) -> None:
        super().__init__()
        self.beta = beta
        self.label_softmax = label_softmax
        self.label_beta = label_beta
        self.use_target_weight = use_target_weight
        self.mask_weight = mask_weight
        index = None if mask is None else torch.tensor(list(mask), dtype=torch.int64)
        self.register_buffer("mask", index, persistent=False)

    def forward(
        self,
        pred_simcc: Sequence[Tensor],
        gt_simcc: Sequence[Tensor],
        target_weight: Tensor | None = None,
    ) -> Tensor:
        """Return the sum over instances and axes of the mean over bins, divided by K.

        Args:
            pred_simcc: logits (N, K, Wx) and (N, K, Wy).
            gt_simcc: labels of the same shapes.
            target_weight: (N, K).

        Raises:
            RayposeError: if weights are missing.
        """
        K = pred_simcc[0].shape[1]
        divergence = sum(
            (self._divergence(*pair) for pair in zip(pred_simcc, gt_simcc, strict=True)),
            start=torch.zeros((), device=pred_simcc[0].device),
        )
        if self.use_target_weight:
            divergence = divergence * required_weight(self, target_weight).reshape(-1, K)
        return self._total(divergence)

    def _total(self, divergence: Tensor) -> Tensor:
        """Return the sum of divergences (N, K), those of `mask` by their weight, divided by K."""
        K = divergence.shape[1]
        if self.mask is not None:
            divergence = divergence * torch.ones(K, device=divergence.device).index_fill(
                0, self.mask, self.mask_weight
            )
        return divergence.sum() / K

    def _divergence(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the divergence (N, K) of one axis."""
        if self.label_softmax:
            labels = (labels * self.label_beta).softmax(dim=-1)
        log_probability = (logits * self.beta).log_softmax(dim=-1)
        return F.kl_div(log_probability, labels, reduction="none").mean(dim=-1)


@MODELS.register_module()
class JSDiscretLoss(nn.Module):
    """Jensen-Shannon divergence of heatmaps that sum to one.

    Nibali et al.: "Numerical Coordinate Regression with Convolutional Neural Networks", 2018.

    Args:
        use_target_weight: multiply heatmaps by the weights of the keypoints.
        size_average: divide by the number of samples.

    Example:
        type: JSDiscretLoss
        use_target_weight: true
    """

    def __init__(self, use_target_weight: bool = True, size_average: bool = True) -> None:
        super().__init__()
        self.use_target_weight = use_target_weight
        self.size_average = size_average

    def forward(
        self, pred_hm: Tensor, gt_hm: Tensor, target_weight: Tensor | None = None
    ) -> Tensor:
        """Return the sum over all cells.

        Args:
            pred_hm: (N, K, H, W).
            gt_hm: (N, K, H, W).
            target_weight: (N, K) or (N,).

        Raises:
            RayposeError: if weights are missing or do not fit.
        """
        if self.use_target_weight:
            weight = trailing_ones(required_weight(self, target_weight), pred_hm)
            pred_hm, gt_hm = pred_hm * weight, gt_hm * weight
        # The smallest number that a float32 logarithm still tells from zero.
        log_mean = (0.5 * (pred_hm + gt_hm) + 1e-24).log()
        parts = [F.kl_div(log_mean, maps, reduction="sum") for maps in (pred_hm, gt_hm)]
        loss = 0.5 * (parts[0] + parts[1])
        return loss / len(gt_hm) if self.size_average else loss


@MODELS.register_module()
class MLECCLoss(nn.Module):
    """Likelihood of the target bins under the predicted distributions of all axes.

    Args:
        reduction: over the keypoints of each instance: `mean`, `sum` or `none`.
        mode: 1 - p (`linear`), 1 - p^2 (`square`) or -log p (`log`).
        use_target_weight: multiply by the weights of the keypoints.
        loss_weight: factor of the result.

    Raises:
        ConfigError: for another `reduction` or `mode`.

    Example:
        type: MLECCLoss
        use_target_weight: true
    """

    def __init__(
        self,
        reduction: str = "mean",
        mode: str = "log",
        use_target_weight: bool = False,
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__()
        self.reduction = check_choice(self, "reduction", reduction, REDUCTIONS)
        self.mode = check_choice(self, "mode", mode, ("linear", "square", "log"))
        self.use_target_weight = use_target_weight
        self.loss_weight = loss_weight

    def forward(
        self,
        outputs: Sequence[Tensor],
        targets: Sequence[Tensor],
        target_weight: Tensor | None = None,
    ) -> Tensor:
        """Return (N,) losses, or (N, K) with reduction `none`.

        Args:
            outputs: probabilities (N, K, Wx) and (N, K, Wy).
            targets: the same.
            target_weight: (N, K).

        Raises:
            RayposeError: if outputs and targets differ in number, or weights are missing.
        """
        if len(outputs) != len(targets):
            raise RayposeError(f"{len(outputs)} outputs do not fit {len(targets)} targets")
        likelihood = torch.ones((), device=outputs[0].device)
        for output, target in zip(outputs, targets, strict=True):
            likelihood = likelihood * (output * target).sum(dim=-1)
        if self.mode == "linear":
            loss = 1 - likelihood
        elif self.mode == "square":
            loss = 1 - likelihood.square()
        else:
            loss = -torch.log(likelihood + 1e-4)
        loss = torch.where(loss.isnan(), 0, loss)
        if self.use_target_weight:
            loss = loss * trailing_ones(required_weight(self, target_weight), loss)
        if self.reduction == "sum":
            loss = loss.flatten(1).sum(dim=1)
        elif self.reduction == "mean":
            loss = loss.flatten(1).mean(dim=1)
        return loss * self.loss_weight
