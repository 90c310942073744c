"""`AssociativeEmbedding`: heatmaps for all people of an image, and tags that tell them apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from raypose.codecs.arguments import divide, multiply, size_pair, visible_or_ones
from raypose.codecs.base import BaseKeypointCodec
from raypose.errors import RayposeError
from raypose.ops.gaussians import gaussian_heatmaps, udp_gaussian_heatmaps
from raypose.ops.peaks import first_maximum, heatmap_nms
from raypose.ops.refine import refine_keypoints, refine_keypoints_dark_udp, udp_response
from raypose.ops.tag_grouping import group_by_tags
from raypose.registry import CODECS

_MAPS_AT_ONCE = 64  # of the search for missing keypoints, which bounds its memory


@CODECS.register_module()
class AssociativeEmbedding(BaseKeypointCodec):
    """Keypoints of any number of instances, grouped by predicted tags.

    "Associative Embedding: End-to-End Learning for Joint Detection and Grouping",
    https://arxiv.org/abs/1611.05424.

    Encodes `heatmaps` (B, K, H, W), `keypoint_indices` (B, N, K, 2) int64, which hold the cell of
    each keypoint (y * w + x) and whether it counts, and `keypoint_weights` (B, N, K). Decodes
    heatmaps (B, K, H, W) with tags (B, L * K, H, W); their size may differ from `heatmap_size`,
    as images of any shape do, while the scale is that of the codec.

    Args:
        input_size: (w, h) of the network's input.
        heatmap_size: (w, h).
        sigma: of the Gaussian in cells; by default 1/64 of the heatmap's mean side.
        use_udp: place and refine keypoints as UDP does.
        decode_keypoint_order: order in which keypoints are grouped, those seen best first.
        decode_nms_kernel: side of the window that a candidate is the maximum of, odd.
        decode_gaussian_kernel: blur before the refinement of UDP, odd.
        decode_keypoint_thr: least response of a candidate.
        decode_tag_thr: distance of tags below which a candidate joins a group.
        decode_topk: candidates of each keypoint.
        decode_center_shift: added to grouped positions, in cells.
        decode_max_instances: how many groups are kept, all if None.

    Example:
        type: AssociativeEmbedding
        input_size: [512, 512]
        heatmap_size: [128, 128]
        sigma: 2
        decode_keypoint_order: [0, 1, 2, 3, 4, 5, 6, 11, 12, 7, 8, 9, 10, 13, 14, 15, 16]
        decode_max_instances: 30
    """

    target_keys = ("heatmaps", "keypoint_indices", "keypoint_weights")

    def __init__(
        self,
        input_size: Sequence[int],
        heatmap_size: Sequence[int],
        sigma: float | None = None,
        use_udp: bool = False,
        decode_keypoint_order: Sequence[int] = (),
        decode_nms_kernel: int = 5,
        decode_gaussian_kernel: int = 3,
        decode_keypoint_thr: float = 0.1,
        decode_tag_thr: float = 1.0,
        decode_topk: int = 30,
        decode_center_shift: float = 0.0,
        decode_max_instances: int | None = None,
    ) -> None:
        self.input_size = size_pair("input_size", input_size)
        self.heatmap_size = size_pair("heatmap_size", heatmap_size)
        (w, h), (W, H) = self.input_size, self.heatmap_size
        self.sigma = (W * H) ** 0.5 / 64 if sigma is None else sigma
        self.use_udp = use_udp
        self.decode_keypoint_order = list(decode_keypoint_order)
        self.decode_nms_kernel = decode_nms_kernel
        self.decode_gaussian_kernel = decode_gaussian_kernel
        self.decode_keypoint_thr = decode_keypoint_thr
        self.decode_tag_thr = decode_tag_thr
        self.decode_topk = decode_topk
        self.decode_center_shift = decode_center_shift
        self.decode_max_instances = decode_max_instances
        edge = 1 if use_udp else 0
        self.scale_factor = ((w - edge) / (W - edge), (h - edge) / (H - edge))

    def encode(
        self, keypoints: Tensor, keypoints_visible: Tensor | None = None, **annotations: Any
    ) -> dict[str, Any]:
        """Make heatmaps and the cells to read tags from; see the base class."""
        cells = divide(keypoints, self.scale_factor)
        visible = visible_or_ones(keypoints, keypoints_visible)
        draw = udp_gaussian_heatmaps if self.use_udp else gaussian_heatmaps
        heatmaps, weights = draw(self.heatmap_size, cells, visible, self.sigma)
        W, H = self.heatmap_size
        x, y = (cells + 0.5).long().unbind(-1)
        counted = (visible > 0.5) & (x >= 0) & (x < W) & (y >= 0) & (y < H)
        indices = torch.stack([y * W + x, counted.long()], dim=-1)
        return {"heatmaps": heatmaps, "keypoint_indices": indices, "keypoint_weights": weights}

    def decode(
        self, encoded: Sequence[Tensor]
    ) -> tuple[list[Tensor], tuple[list[Tensor], list[Tensor]]]:
        """Find and group keypoints.

        Args:
            encoded: heatmaps (B, K, H, W) and tags (B, L * K, H, W).

        Returns:
            For each sample keypoints (N_i, K, 2) in input space, and scores: those of the
            keypoints (N_i, K) and those of the instances (N_i,), the mean over their keypoints
            before the missing ones are filled in.

        Raises:
            RayposeError: if the shapes do not fit each other or `decode_keypoint_order`.
        """
        heatmaps, tags = (values.detach().float() for values in encoded)
        self._check(heatmaps, tags)
        B, K, H, W = heatmaps.shape
        tags = tags.reshape(B, -1, K, H * W)
        cells, scores, image = self._grouped_peaks(heatmaps, tags)
        counts = torch.bincount(image, minlength=B).tolist()
        instance_scores = scores.mean(dim=-1)
        found = scores > 0
        cells[found] = self._refine(cells, found, heatmaps, image) + self.decode_center_shift
        self._fill_missing(cells, scores, found, heatmaps, tags, image)
        keypoints = multiply(cells, self.scale_factor)
        return list(keypoints.split(counts)), (
            list(scores.split(counts)),
            list(instance_scores.split(counts)),
        )

    def _check(self, heatmaps: Tensor, tags: Tensor) -> None:
        B, K, H, W = heatmaps.shape
        if tags.shape[0] != B or tags.shape[1] % K or tags.shape[2:] != (H, W):
            raise RayposeError(
                f"tags for heatmaps {tuple(heatmaps.shape)} are ({B}, L * {K}, {H}, {W}), "
                f"got {tuple(tags.shape)}"
            )
        if sorted(self.decode_keypoint_order) != list(range(K)):
            raise RayposeError(
                f"decode_keypoint_order holds each of the {K} keypoints 0..{K - 1} once, "
                f"got {self.decode_keypoint_order}"
            )

    def _grouped_peaks(self, heatmaps: Tensor, tags: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Cells (G, K, 2) and scores (G, K) of all groups, and the sample of each (G,)."""
        B, _, H, W = heatmaps.shape
        peaks = heatmap_nms(heatmaps, self.decode_nms_kernel).flatten(2)
        values, index = peaks.topk(min(self.decode_topk, H * W), dim=-1)
        L = tags.shape[1]
        picked = tags.gather(3, index[:, None].expand(B, L, *index.shape[1:])).movedim(1, -1)
        locations = torch.stack([index % W, index // W], dim=-1)
        # Assignment is sequential and its matrices are tiny: the candidates go to the host.
        hosted = (part.cpu().numpy() for part in (values, picked, locations))
        groups = [
            group_by_tags(
                sample_values,
                sample_tags,
                sample_locations,
                self.decode_keypoint_order,
                self.decode_keypoint_thr,
                self.decode_tag_thr,
                self.decode_max_instances,
            )
            for sample_values, sample_tags, sample_locations in zip(*hosted, strict=True)
        ]
        sizes = torch.tensor([len(scores) for _, scores in groups])
        cells, scores = (
            torch.cat([torch.from_numpy(group[part].copy()) for group in groups]) for part in (0, 1)
        )
        image = torch.arange(B).repeat_interleave(sizes)
        device = heatmaps.device
        return cells.to(device), scores.to(device), image.to(device)

    def _refine(self, cells: Tensor, found: Tensor, heatmaps: Tensor, image: Tensor) -> Tensor:
        """Positions (F, 2) of the found keypoints."""
        group, k = found.nonzero().unbind(-1)
        index = image[group] * heatmaps.shape[1] + k
        maps = heatmaps.flatten(0, 1)
        if self.use_udp:
            return refine_keypoints_dark_udp(cells[found], maps, index, self.decode_gaussian_kernel)
        return refine_keypoints(cells[found], maps, index)

    def _fill_missing(
        self,
        cells: Tensor,
        scores: Tensor,
        found: Tensor,
        heatmaps: Tensor,
        tags: Tensor,
        image: Tensor,
    ) -> None:
        """Write the strongest response near the tag of a group where it lacks a keypoint."""
        K, H, W = heatmaps.shape[1:]
        L = tags.shape[1]
        group_tags = self._group_tags(cells, found, tags, image, (H, W))
        missing = (~found).nonzero()
        tag_maps, responses = tags.flatten(0, 2), heatmaps.flatten(0, 1).flatten(1)
        for group, k in (part.unbind(-1) for part in missing.split(_MAPS_AT_ONCE)):
            sample = image[group]
            squares = [
                tag_maps.index_select(0, (sample * L + part) * K + k)
                .sub_(group_tags[group, part, None])
                .square_()
                for part in range(L)
            ]
            distance = sum(squares[1:], start=squares[0]).sqrt_()
            index = sample * K + k
            if self.use_udp:
                # The reference searches, and takes its score from, the maps it refined on.
                maps, which = index.unique(return_inverse=True)
                blurred = udp_response(heatmaps.flatten(0, 1)[maps], self.decode_gaussian_kernel)
                response = blurred.flatten(1)[which]
            else:
                response = responses.index_select(0, index)
            _, best = first_maximum(distance.round_().mul_(-100).add_(response))
            cells[group, k] = torch.stack([best % W, best // W], dim=-1).to(cells.dtype)
            scores[group, k] = response.gather(1, best[:, None])[:, 0]

    def _group_tags(
        self, cells: Tensor, found: Tensor, tags: Tensor, image: Tensor, size: tuple[int, int]
    ) -> Tensor:
        """Mean tag (G, L) at the found keypoints of each group."""
        H, W = size
        x, y = cells.long().unbind(-1)
        index = y.clamp(0, H - 1) * W + x.clamp(0, W - 1)
        k = torch.arange(found.shape[1], device=found.device)
        values = tags[image[:, None], :, k, index]  # (G, K, L)
        counted = found[..., None]
        return torch.where(counted, values, 0.0).sum(dim=1) / counted.sum(dim=1)
