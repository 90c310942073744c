"""`AssociativeEmbeddingHead`: heatmaps of all people at once, and tags that tell them apart.

B samples, N instances, K keypoints, L tags for each keypoint, H and W of the heatmaps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from raypose.codecs.base import BaseKeypointCodec
from raypose.errors import RayposeError
from raypose.models.base_module import InitCfg
from raypose.models.heads.base_head import Features, numpy_of
from raypose.models.heads.heatmap_head import DEFAULT_FINAL_LAYER, HeatmapHead
from raypose.models.heads.heatmap_mask import heatmap_mask
from raypose.ops.flips import aggregate_heatmaps, flip_heatmaps
from raypose.registry import MODELS
from raypose.structures import PoseBatch, Poses

DEFAULT_KEYPOINT_LOSS: Mapping[str, Any] = MappingProxyType({"type": "KeypointMSELoss"})
DEFAULT_TAG_LOSS: Mapping[str, Any] = MappingProxyType({"type": "AssociativeEmbeddingLoss"})


@MODELS.register_module()
class AssociativeEmbeddingHead(HeatmapHead):
    """Heatmaps and tag maps for bottom-up estimation.

    Newell et al.: "Associative Embedding: End-to-End Learning for Joint Detection and Grouping",
    NeurIPS 2017.

    Options of `test_cfg`: `restore_heatmap_size` resizes heatmaps to the size of the input (the
    decoder's `heatmap_size` is its `input_size` then), `align_corners` is that of the resizing,
    `shift_heatmap` that of the flip test, `multiscale_test` averages over an image pyramid.

    Args:
        in_channels: channels of the last feature map.
        num_keypoints: K.
        tag_dim: L.
        tag_per_keypoint: tags of each keypoint of its own; else all keypoints share L maps.
        deconv_out_channels: see `HeatmapHead`.
        deconv_kernel_sizes: see `HeatmapHead`.
        conv_out_channels: see `HeatmapHead`.
        conv_kernel_sizes: see `HeatmapHead`.
        final_layer: see `HeatmapHead`.
        keypoint_loss: config of the loss of heatmaps, or a module.
        tag_loss: config of the loss of tags, or a module.
        decoder: config of the codec, or a codec; prediction needs it.
        init_cfg: see `BaseModule`.

    Raises:
        ConfigError: see `HeatmapHead`.

    Example:
        type: AssociativeEmbeddingHead
        in_channels: 32
        num_keypoints: 17
        deconv_out_channels: null
        keypoint_loss: {type: KeypointMSELoss, use_target_weight: true}
        tag_loss: {type: AssociativeEmbeddingLoss, loss_weight: 0.001}
        decoder:
          type: AssociativeEmbedding
          input_size: [512, 512]
          heatmap_size: [512, 512]
          decode_keypoint_order: [0, 1, 2, 3, 4, 5, 6, 11, 12, 7, 8, 9, 10, 13, 14, 15, 16]
    """

    def __init__(
        self,
        in_channels: int,
        num_keypoints: int,
        tag_dim: int = 1,
        tag_per_keypoint: bool = True,
        deconv_out_channels: Sequence[int] | None = (256, 256, 256),
        deconv_kernel_sizes: Sequence[int] | None = (4, 4, 4),
        conv_out_channels: Sequence[int] | None = None,
        conv_kernel_sizes: Sequence[int] | None = None,
        final_layer: Mapping[str, Any] | None = DEFAULT_FINAL_LAYER,
        keypoint_loss: Mapping[str, Any] | nn.Module = DEFAULT_KEYPOINT_LOSS,
        tag_loss: Mapping[str, Any] | nn.Module = DEFAULT_TAG_LOSS,
        decoder: Mapping[str, Any] | BaseKeypointCodec | None = None,
        init_cfg: InitCfg = None,
    ) -> None:
        losses = {"keypoint_loss": keypoint_loss, "tag_loss": tag_loss}
        super().__init__(
            in_channels,
            num_keypoints + (num_keypoints * tag_dim if tag_per_keypoint else tag_dim),
            deconv_out_channels=deconv_out_channels,
            deconv_kernel_sizes=deconv_kernel_sizes,
            conv_out_channels=conv_out_channels,
            conv_kernel_sizes=conv_kernel_sizes,
            final_layer=final_layer,
            loss={"type": "CombinedLoss", "losses": losses},
            decoder=decoder,
            init_cfg=init_cfg,
        )
        self.num_keypoints = num_keypoints
        self.tag_dim = tag_dim
        self.tag_per_keypoint = tag_per_keypoint

    def forward(self, feats: Features) -> tuple[Tensor, Tensor]:
        """Return heatmaps (B, K, H, W) and tags (B, L * K, H, W), tag after tag.

        Without `tag_per_keypoint` tags are (B, L, H, W).
        """
        outputs = super().forward(feats)
        return outputs[:, : self.num_keypoints], outputs[:, self.num_keypoints :]

    def loss(self, feats: Features, batch: PoseBatch) -> dict[str, Tensor]:
        """Return `loss_kpt`, `loss_pull` and `loss_push`.

        Uses the targets `heatmaps` (B, K, H, W), `keypoint_weights` (B, N, K) and
        `keypoint_indices` (B, N, K, 2), and the batch's mask (see `heatmap_mask`). A heatmap,
        which all people share, counts as much as the best known of their keypoints.
        """
        heatmaps, tags = self.forward(feats)
        targets = batch.targets
        weights = targets["keypoint_weights"]
        weights = (
            weights.new_zeros(weights.shape[::2]) if weights.shape[1] == 0 else weights.amax(1)
        )
        mask = heatmap_mask(batch, heatmaps)
        loss_kpt = self.loss_module["keypoint_loss"](heatmaps, targets["heatmaps"], weights, mask)
        loss_pull, loss_push = self.loss_module["tag_loss"](
            self._tags_of_each_keypoint(tags), targets["keypoint_indices"]
        )
        return {"loss_kpt": loss_kpt, "loss_pull": loss_pull, "loss_push": loss_push}

    def predict(self, feats: Features, batch: PoseBatch) -> list[Poses]:
        """Return the people of each sample in input space, with `scores` and `bbox_scores`.

        Args:
            feats: feature maps; with `test_cfg.multiscale_test` a list of them, that of the
                input first.
            batch: `inputs` (B, 3, H, W), or a list of them, tell the size of the input.
        """
        many = self.test_cfg.get("multiscale_test", False)
        outputs = [self.forward_test(scale, batch) for scale in (feats if many else [feats])]
        tags = outputs[0][1]  # those of other scales are worse
        size = self._restored_size(batch)
        corners = self.test_cfg.get("align_corners", False)
        heatmaps = aggregate_heatmaps([maps for maps, _ in outputs], size, corners)
        return self.decode((heatmaps, aggregate_heatmaps([tags], size, corners)))

    def fold_flip_test(
        self, outputs: tuple[Tensor, Tensor], batch: PoseBatch
    ) -> tuple[Tensor, Tensor]:
        """Average heatmaps with those of the mirrored half and put its tags behind the others."""
        heatmaps, tags = outputs[0], self._tags_of_each_keypoint(outputs[1])
        if not batch.flip_test:
            return heatmaps, tags
        (plain, mirrored), (tags, mirrored_tags) = heatmaps.chunk(2), tags.chunk(2)
        mirrored, mirrored_tags = self.flip_outputs((mirrored, mirrored_tags), batch)
        return 0.5 * (plain + mirrored), torch.cat([tags, mirrored_tags], dim=1)

    def flip_outputs(
        self, outputs: tuple[Tensor, Tensor], batch: PoseBatch
    ) -> tuple[Tensor, Tensor]:
        """Mirror heatmaps and tags and swap left and right in both."""
        flips, shift = self.flip_indices(batch), self.test_cfg.get("shift_heatmap", False)
        heatmaps, tags = outputs
        flipped = [
            flip_heatmaps(maps, flips, shift_heatmap=shift)
            for maps in (heatmaps, *tags.split(self.num_keypoints, dim=1))
        ]
        return flipped[0], torch.cat(flipped[1:], dim=1)

    def decode(self, outputs: tuple[Tensor, Tensor]) -> list[Poses]:
        """Let the codec group keypoints; one `Poses` in input space for each sample."""
        assert self.decoder is not None, "AssociativeEmbeddingHead was built without a decoder"
        keypoints, (keypoint_scores, scores) = self.decoder.decode(outputs)
        return [
            Poses(
                keypoints=numpy_of(keypoints[i]),
                keypoint_scores=numpy_of(keypoint_scores[i]),
                bbox_scores=numpy_of(scores[i]),
                scores=numpy_of(scores[i]),
            )
            for i in range(len(keypoints))
        ]

    def _tags_of_each_keypoint(self, tags: Tensor) -> Tensor:
        """Return tags (B, L * K, H, W), copying shared ones."""
        if self.tag_per_keypoint:
            return tags
        return tags.repeat_interleave(self.num_keypoints, dim=1)

    def _restored_size(self, batch: PoseBatch) -> tuple[int, int] | None:
        """Return the size (w, h) that heatmaps are resized to."""
        if not self.test_cfg.get("restore_heatmap_size", False):
            return None
        inputs = batch.inputs[0] if isinstance(batch.inputs, list) else batch.inputs
        if inputs is None:
            raise RayposeError("restore_heatmap_size needs the inputs of the batch")
        return int(inputs.shape[-1]), int(inputs.shape[-2])
