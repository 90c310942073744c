"""`DecoupledHeatmap`: heatmaps of everybody at once, and heatmaps of each person alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from raypose.codecs.arguments import divide, multiply, size_pair, visible_or_ones
from raypose.codecs.base import BaseKeypointCodec
from raypose.errors import RayposeError
from raypose.ops.gaussians import gaussian_heatmaps
from raypose.ops.instances import diagonal_lengths, instance_bbox, instance_root
from raypose.ops.peaks import heatmap_maximum
from raypose.ops.refine import refine_keypoints
from raypose.registry import CODECS

_SMALLEST_SIGMA = 1e-3  # of a person without extent, a single cell


@CODECS.register_module()
class DecoupledHeatmap(BaseKeypointCodec):
    """Heatmaps whose Gaussians grow with the person, together and person by person.

    "Contextual Instance Decoupling for Robust Multi-Person Pose Estimation" (CID), CVPR 2022.

    Encodes `heatmaps` (B, K + 1, H, W), of keypoints and, last, of roots; and for M people, the
    smallest first: `instance_coords` (B, M, 2) int64, the cell of each root, moved by at most one
    cell at random, `instance_heatmaps` (B, M * K, H, W) and `keypoint_weights` (B, M, K). Where a
    sample has fewer people, or two share a cell, the coordinates are -1 and the rest is 0.
    Decodes heatmaps and root scores of the people that were found.

    Args:
        input_size: (w, h) of the network's input.
        heatmap_size: (w, h).
        root_type: what stands for a person: `kpt_center`, the mean of the visible keypoints, or
            `bbox_center`, the middle of their box.
        heatmap_min_overlap: overlap with its own box that a box keeps which is off by 3 sigma.
        encode_max_instances: M at most, drawn at random from more.

    Raises:
        RayposeError: if `root_type` is unknown.

    Example:
        type: DecoupledHeatmap
        input_size: [512, 512]
        heatmap_size: [128, 128]
    """

    target_keys = ("heatmaps", "instance_heatmaps", "keypoint_weights", "instance_coords")
    auxiliary_encode_keys = ("bboxes",)

    def __init__(
        self,
        input_size: Sequence[int],
        heatmap_size: Sequence[int],
        root_type: str = "kpt_center",
        heatmap_min_overlap: float = 0.7,
        encode_max_instances: int = 30,
    ) -> None:
        self.input_size = size_pair("input_size", input_size)
        self.heatmap_size = size_pair("heatmap_size", heatmap_size)
        if root_type not in ("kpt_center", "bbox_center"):
            raise RayposeError(
                f"root_type of DecoupledHeatmap is 'kpt_center' or 'bbox_center', got {root_type!r}"
            )
        self.root_type = root_type
        self.heatmap_min_overlap = heatmap_min_overlap
        self.encode_max_instances = encode_max_instances
        (w, h), (W, H) = self.input_size, self.heatmap_size
        self.scale_factor = (w / W, h / H)

    def encode(
        self, keypoints: Tensor, keypoints_visible: Tensor | None = None, **annotations: Any
    ) -> dict[str, Any]:
        """Make heatmaps; see the base class.

        Args:
            keypoints: (B, N, K, 2), input space.
            keypoints_visible: (B, N, K).
            **annotations: `bboxes`, (B, N, 4) xyxy or (B, N, 4, 2) corners, from which the sizes
                of the people are taken; by default they are those of the visible keypoints.
        """
        visible = visible_or_ones(keypoints, keypoints_visible)
        if keypoints.shape[1] == 0:  # nobody is drawn as one who shows nothing
            keypoints = F.pad(keypoints, (0, 0, 0, 0, 0, 1))
            visible, annotations = F.pad(visible, (0, 0, 0, 1)), {}
        B, N, K, _ = keypoints.shape
        W, H = self.heatmap_size
        cells = divide(keypoints, self.scale_factor)
        roots, rooted = instance_root(cells, visible, self.root_type)
        boxes = annotations.get("bboxes")
        if boxes is None:
            boxes = instance_bbox(keypoints, visible)
        if boxes.ndim == 3:
            boxes = boxes.unflatten(-1, (2, 2))
        corners = divide(boxes, self.scale_factor)
        maps, weights = gaussian_heatmaps(
            self.heatmap_size,
            torch.cat([cells, roots[:, :, None]], dim=2).view(B * N, 1, K + 1, 2),
            torch.cat([visible, rooted[..., None]], dim=2).view(B * N, 1, K + 1),
            self._sigmas(_sides(corners)).view(B * N, 1),
        )
        maps = maps.view(B, N, K + 1, H, W)
        coords, index = self._choose(roots, rooted, diagonal_lengths(cells, visible))
        chosen = (coords[..., 0] >= 0)[..., None]
        sample = torch.arange(B, device=index.device)[:, None]
        own_maps = maps[sample, index, :K] * chosen[..., None, None]
        return {
            "heatmaps": maps.amax(dim=1),
            "instance_heatmaps": own_maps.flatten(1, 2),
            "keypoint_weights": weights.view(B, N, K + 1)[sample, index, :K] * chosen,
            "instance_coords": coords,
        }

    def decode(self, encoded: Sequence[Any]) -> tuple[list[Tensor], list[Tensor]]:
        """Read the keypoints of people.

        Args:
            encoded: for each of B samples heatmaps (N_i, K, H, W), and the scores of the roots
                (N_i, 1).

        Returns:
            For each sample keypoints (N_i, K, 2) in input space and scores (N_i, K).
        """
        heatmaps, roots = (
            torch.cat([part.detach().float() for part in values]) for values in encoded
        )
        counts = [len(part) for part in encoded[0]]
        maps = heatmaps.flatten(0, 1)
        peaks, scores = heatmap_maximum(maps)
        cells = refine_keypoints(peaks, maps, torch.arange(len(maps), device=maps.device))
        N, K = heatmaps.shape[:2]
        keypoints = multiply(cells, self.scale_factor).view(N, K, 2)
        return list(keypoints.split(counts)), list((scores.view(N, K) * roots).split(counts))

    def _sigmas(self, sides: Tensor) -> Tensor:
        """Return sigmas (B, N) for people of sizes (B, N, 2) in cells.

        A third of the largest shift of the corners after which the boxes still overlap enough:
        when both move the same way, when the box shrinks and when it grows, as CornerNet has it.
        """
        total, area, overlap = sides.sum(-1), sides.prod(-1), self.heatmap_min_overlap
        share = 1 - overlap
        # The larger root of a r^2 - b r + c, without the division by a that the reference omits.
        radii = [
            (b + (b.square() - 4 * a * c).clamp(min=0).sqrt()) / 2
            for a, b, c in (
                (1, total, area * share / (1 + overlap)),
                (4, 2 * total, area * share),
                (4 * overlap, -2 * overlap * total, -area * share),
            )
        ]
        return torch.stack(radii).amin(dim=0).div(3).clamp(min=_SMALLEST_SIGMA)

    def _choose(self, roots: Tensor, rooted: Tensor, sizes: Tensor) -> tuple[Tensor, Tensor]:
        """Choose people of each sample.

        Args:
            roots: (B, N, 2) in cells.
            rooted: (B, N), 1 for people that have a root.
            sizes: (B, N).

        Returns:
            Cells (B, M, 2), -1 where there is nobody, and indices (B, M) of the people.
        """
        B, N, _ = roots.shape
        order = torch.where(rooted >= 1, sizes, torch.inf).argsort(dim=1, stable=True)
        step = torch.randint(-1, 2, roots.shape, device=roots.device)
        moved = (roots + step).gather(1, order[..., None].expand(B, N, 2)).long()
        W, H = self.heatmap_size
        x, y = moved[..., 0].clamp(0, W - 1), moved[..., 1].clamp(0, H - 1)
        place = y * W + x
        present = rooted.gather(1, order) >= 1
        same = (place[:, :, None] == place[:, None]) & present[:, None]
        present = present & ~same.tril(-1).any(dim=2)
        if N > self.encode_max_instances:
            draw = torch.rand(B, N, device=roots.device) + present
            kept = draw.topk(self.encode_max_instances, dim=1).indices.sort(dim=1).values
            order, present, x, y = (part.gather(1, kept) for part in (order, present, x, y))
        coords = torch.stack([x, y], dim=-1)
        return torch.where(present[..., None], coords, -1), order


def _sides(corners: Tensor) -> Tensor:
    """Return the lengths (B, N, 2) of the sides of boxes.

    Args:
        corners: (B, N, 2, 2), two opposite ones of an upright box, or (B, N, 4, 2) in the order
            of `bbox_xyxy2corner`.
    """
    if corners.shape[2] == 2:
        return corners[:, :, 1] - corners[:, :, 0]
    first, below, beside = corners[:, :, :3].unbind(2)
    return torch.stack([(first - beside).norm(dim=-1), (first - below).norm(dim=-1)], dim=-1)
