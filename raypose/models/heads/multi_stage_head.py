"""`MultiStageHead`: heads of networks that make heatmaps several times, each better than before.

B samples, K keypoints, H and W of the heatmaps.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from raypose.codecs.base import BaseKeypointCodec
from raypose.errors import ConfigError
from raypose.models.base_module import InitCfg
from raypose.models.heads.base_head import BaseHead
from raypose.ops.flips import flip_heatmaps
from raypose.ops.output_accuracy import pose_pck_accuracy
from raypose.registry import CODECS, MODELS
from raypose.structures import PoseBatch, Poses

Losses = Mapping[str, Any] | nn.Module | Sequence[Mapping[str, Any] | nn.Module]


class MultiStageHead(BaseHead):
    """Parent of such heads: all outputs are trained, the last one predicts.

    Args:
        num_outputs: how many outputs there are.
        loss: config of the loss of all outputs, or a module; or a list with one for each.
        decoder: config of the codec, or a codec; prediction needs it.
        init_cfg: see `BaseModule`.

    Raises:
        ConfigError: if a list of losses has another number of them.
    """

    network_method = "last_output"

    def __init__(
        self,
        num_outputs: int,
        loss: Losses,
        decoder: Mapping[str, Any] | BaseKeypointCodec | None,
        init_cfg: InitCfg,
    ) -> None:
        super().__init__(init_cfg)
        self.loss_module: nn.Module
        if isinstance(loss, Sequence):
            if len(loss) != num_outputs:
                raise ConfigError(
                    f"{type(self).__name__}: loss is one for all of the {num_outputs} outputs or "
                    f"a list with one for each, got a list of {len(loss)}"
                )
            self.loss_module = nn.ModuleList([MODELS.build(item) for item in loss])
        else:
            self.loss_module = MODELS.build(loss)
        self.decoder = None if decoder is None else CODECS.build(decoder)

    @abstractmethod
    def forward(self, feats: Any) -> list[Tensor]:
        """Return the heatmaps (B, K, H, W) of all outputs."""

    @abstractmethod
    def last_output(self, feats: Any) -> Tensor:
        """Return the heatmaps (B, K, H, W) that predict, without making the others."""

    def forward_test(self, feats: Any, batch: PoseBatch) -> Tensor:
        """Return the heatmaps that predict; see `BaseHead.forward_test`."""
        return self.fold_flip_test(self.last_output(feats), batch)

    def predict(self, feats: Any, batch: PoseBatch) -> list[Poses]:
        """Return one instance for each sample, in input space."""
        return self.decode(self.forward_test(feats, batch))

    def flip_outputs(self, outputs: Tensor, batch: PoseBatch) -> Tensor:
        """Mirror heatmaps as `test_cfg.flip_mode` and `test_cfg.shift_heatmap` say."""
        return flip_heatmaps(
            outputs,
            self.flip_indices(batch),
            flip_mode=self.test_cfg.get("flip_mode", "heatmap"),
            shift_heatmap=self.test_cfg.get("shift_heatmap", False),
        )

    def output_losses(
        self, outputs: Sequence[Tensor], heatmaps: Sequence[Tensor], weights: Sequence[Tensor]
    ) -> dict[str, Tensor]:
        """Return `loss_kpt`, the sum over all outputs, and the accuracy `acc_pose` of the last.

        Args:
            outputs: (B, K, H, W) each.
            heatmaps: the target of each output, (B, K, H, W).
            weights: those of each target, (B, K).
        """
        one = self.loss_module
        modules = one if isinstance(one, nn.ModuleList) else [one] * len(outputs)
        parts = [
            module(output, target, weight)
            for module, output, target, weight in zip(
                modules, outputs, heatmaps, weights, strict=True
            )
        ]
        losses = {"loss_kpt": torch.stack(parts).sum()}
        if self.train_cfg.get("compute_acc", True):
            last = outputs[-1].detach()
            losses["acc_pose"] = pose_pck_accuracy(last, heatmaps[-1], weights[-1] > 0)[1]
        return losses
