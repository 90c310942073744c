"""`CIDHead`: finds people, then draws heatmaps for each of them alone.

B samples, M instances of a sample, T of all samples together, K keypoints, C channels, H and W of
the maps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from raypose.codecs.base import BaseKeypointCodec
from raypose.errors import RayposeError
from raypose.models.base_module import InitCfg
from raypose.models.heads.base_head import BaseHead, Features, numpy_of
from raypose.models.heads.heatmap_mask import heatmap_mask
from raypose.models.layers.initialize import initialize
from raypose.models.layers.instance_decoupling import GFDModule, IIAModule, smooth_heatmaps
from raypose.registry import CODECS, MODELS
from raypose.structures import PoseBatch, Poses

DEFAULT_INIT: Sequence[Mapping[str, Any]] = (
    {"type": "Normal", "layer": ["Conv2d", "Linear"], "std": 0.001},
)
DEFAULT_HEATMAP_LOSS: Mapping[str, Any] = MappingProxyType({"type": "FocalHeatmapLoss"})
DEFAULT_CONTRASTIVE_LOSS: Mapping[str, Any] = MappingProxyType({"type": "InfoNCELoss"})


@MODELS.register_module()
class CIDHead(BaseHead):
    """Contextual instance decoupling.

    Wang and Zhang: "Contextual Instance Decoupling for Robust Multi-Person Pose Estimation",
    CVPR 2022.

    Options of `test_cfg`: `max_instances` people are found at most (30), with roots above
    `score_threshold` (0.01); heatmaps are smoothed over `blur_kernel_size` cells (3). Option of
    `train_cfg`: heatmaps of `max_train_instances` people of a batch are compared at most, drawn
    at random; of all by default.

    Args:
        in_channels: C.
        num_keypoints: K.
        gfd_channels: channels of the maps that are decoupled.
        prior_prob: what heatmaps give at the start of a training.
        coupled_heatmap_loss: config of the loss of everybody's heatmaps, or a module.
        decoupled_heatmap_loss: config of the loss of each person's heatmaps, or a module.
        contrastive_loss: config of the loss of the people's features, or a module.
        decoder: config of the codec, or a codec; prediction needs it.
        init_cfg: see `BaseModule`.

    Example:
        type: CIDHead
        in_channels: 480
        num_keypoints: 17
        gfd_channels: 32
        coupled_heatmap_loss: {type: FocalHeatmapLoss, loss_weight: 1.0}
        decoupled_heatmap_loss: {type: FocalHeatmapLoss, loss_weight: 4.0}
        contrastive_loss: {type: InfoNCELoss, temperature: 0.05}
        decoder: {type: DecoupledHeatmap, input_size: [512, 512], heatmap_size: [128, 128]}
    """

    train_cfg_keys = ("max_train_instances",)
    test_cfg_keys = ("blur_kernel_size", "max_instances", "score_threshold")

    def __init__(
        self,
        in_channels: int,
        num_keypoints: int,
        gfd_channels: int,
        prior_prob: float = 0.01,
        coupled_heatmap_loss: Mapping[str, Any] | nn.Module = DEFAULT_HEATMAP_LOSS,
        decoupled_heatmap_loss: Mapping[str, Any] | nn.Module = DEFAULT_HEATMAP_LOSS,
        contrastive_loss: Mapping[str, Any] | nn.Module = DEFAULT_CONTRASTIVE_LOSS,
        decoder: Mapping[str, Any] | BaseKeypointCodec | None = None,
        init_cfg: InitCfg = None,
    ) -> None:
        super().__init__(DEFAULT_INIT if init_cfg is None else init_cfg)
        self.prior_prob = prior_prob
        self.in_channels = in_channels
        self.num_keypoints = num_keypoints
        self.iia_module = IIAModule(in_channels, num_keypoints + 1)
        self.gfd_module = GFDModule(in_channels, num_keypoints, gfd_channels)
        self.loss_module = nn.ModuleDict(
            {
                "heatmap_coupled": MODELS.build(coupled_heatmap_loss),
                "heatmap_decoupled": MODELS.build(decoupled_heatmap_loss),
                "contrastive": MODELS.build(contrastive_loss),
            }
        )
        self.decoder = None if decoder is None else CODECS.build(decoder)

    def init_weights(self) -> None:
        """Start the weights by `init_cfg`, and the heatmaps at `prior_prob`."""
        super().init_weights()
        for layer in (self.iia_module.keypoint_root_conv, self.gfd_module.heatmap_conv):
            start = {"type": "Normal", "layer": "Conv2d", "std": 0.001}
            initialize(layer, {**start, "bias_prob": self.prior_prob})

    def forward(self, feats: Features) -> Tensor:
        """Return heatmaps (T, K, H, W) of the people found with the default options."""
        x = feats[-1]
        _, samples, coords = self._find(self.iia_module(x)[:, -1:], {})
        return self.gfd_module(x, _at(x, samples, coords), coords, samples)

    def loss(self, feats: Features, batch: PoseBatch) -> dict[str, Tensor]:
        """Return `loss/heatmap_coupled`, `loss/heatmap_decoupled` and `loss/contrastive`.

        Uses the targets of `DecoupledHeatmap` and the batch's mask (see `heatmap_mask`).
        """
        x, targets = feats[-1], batch.targets
        heatmaps = self.iia_module(x)
        places = targets["instance_coords"]
        B, most, _ = places.shape
        counted, coords = places[..., 0].flatten() >= 0, places.flatten(0, 1).long().clamp(min=0)
        samples = torch.arange(B, device=x.device).repeat_interleave(most)
        own_feats = _at(x, samples, coords)
        contrast = self.loss_module["contrastive"](
            own_feats.view(B, most, -1), counted.view(B, most)
        )
        chosen = self._choose(counted)
        own_heatmaps = self.gfd_module(x, own_feats[chosen], coords[chosen], samples[chosen])
        own_targets = targets["instance_heatmaps"].unflatten(1, (most, self.num_keypoints))
        weights = targets["keypoint_weights"].flatten(0, 1) * counted[:, None]
        return {
            "loss/heatmap_coupled": self.loss_module["heatmap_coupled"](
                heatmaps, targets["heatmaps"], None, heatmap_mask(batch, heatmaps)
            ),
            "loss/heatmap_decoupled": self.loss_module["heatmap_decoupled"](
                own_heatmaps, own_targets.flatten(0, 1)[chosen], weights[chosen]
            ),
            "loss/contrastive": contrast / counted.sum().clamp(min=1),
        }

    def predict(self, feats: Features, batch: PoseBatch) -> list[Poses]:
        """Return the people of each sample in input space, those with the best roots first.

        Raises:
            RayposeError: for features of several scales, or a batch without inputs.
        """
        if self.test_cfg.get("multiscale_test", False):
            raise RayposeError("CIDHead predicts at one scale: set multiscale_test to false")
        if batch.inputs is None:
            raise RayposeError("CIDHead needs the inputs of the batch, which tell their size")
        x = feats[-1]
        B = len(x) // 2 if batch.flip_test else len(x)
        if batch.flip_test:
            x = torch.cat([x[:B], x[B:].flip(-1)])
        roots = self.iia_module(x)[:, -1:]
        if batch.flip_test:
            roots = (roots[:B] + roots[B:]) / 2
        scores, samples, coords = self._find(roots, self.test_cfg)
        heatmaps = self.gfd_module(x, _at(x, samples, coords), coords, samples)
        if batch.flip_test:
            mirrored = samples + B
            flipped = self.gfd_module(x, _at(x, mirrored, coords), coords, mirrored)
            heatmaps = (heatmaps + flipped[:, list(self.flip_indices(batch))]) / 2
        heatmaps = smooth_heatmaps(heatmaps, self.test_cfg.get("blur_kernel_size", 3))
        counts = torch.bincount(samples, minlength=B).tolist()
        found = self.decode((heatmaps.split(counts), scores[:, None].split(counts)))
        # The codec gives the corners of cells.
        height, width = batch.inputs[0].shape[-2:]
        middle = np.array([width / x.shape[-1], height / x.shape[-2]], np.float32) / 2
        return [poses.replace(keypoints=poses.keypoints + middle) for poses in found]

    def decode(self, outputs: tuple[Any, Any]) -> list[Poses]:
        """Let the codec read the heatmaps of the people of each sample; in input space."""
        assert self.decoder is not None, "CIDHead was built without a decoder"
        keypoints, scores = self.decoder.decode(outputs)
        return [
            Poses(
                keypoints=numpy_of(keypoints[i]),
                keypoint_scores=numpy_of(scores[i]),
                scores=numpy_of(outputs[1][i][:, 0]),
            )
            for i in range(len(keypoints))
        ]

    def _find(self, roots: Tensor, options: Mapping[str, Any]) -> tuple[Tensor, Tensor, Tensor]:
        """Find people on heatmaps (B, 1, H, W) of roots.

        Returns:
            Their scores (T,), samples (T,) and cells (T, 2).
        """
        H, W = roots.shape[-2:]
        smoothed = smooth_heatmaps(roots, options.get("blur_kernel_size", 3))
        window = 7 if (H + W) / 2 > 300 else 5 if (H + W) / 2 > 200 else 3
        largest = F.max_pool2d(smoothed, window, stride=1, padding=window // 2)
        peaks = torch.where(largest == smoothed, smoothed, 0.0).flatten(1)
        count = min(options.get("max_instances", 30), H * W)
        scores, index = peaks.topk(count, dim=1)
        samples, rank = (scores > options.get("score_threshold", 0.01)).nonzero().unbind(1)
        index = index[samples, rank]
        return scores[samples, rank], samples, torch.stack([index % W, index // W], dim=1)

    def _choose(self, counted: Tensor) -> Tensor:
        """Return indices of the people whose heatmaps are compared.

        Args:
            counted: (B * M,) bool, which people there are; they are chosen before padding.
        """
        most = self.train_cfg.get("max_train_instances", len(counted))
        if len(counted) <= most:
            return torch.arange(len(counted), device=counted.device)
        return (torch.rand(len(counted), device=counted.device) + counted).topk(most).indices


def _at(feats: Tensor, samples: Tensor, coords: Tensor) -> Tensor:
    """Return the features (T, C) of maps (B, C, H, W) in cells (T, 2) of samples (T,)."""
    return feats[samples, :, coords[:, 1], coords[:, 0]]
