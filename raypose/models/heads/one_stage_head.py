"""`OneStageHead`: people found and read in one pass, from every cell of several maps.

B images, A cells of all maps, N instances (padded), P positive cells of all images together, K
keypoints, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn

from raypose.errors import ConfigError, RayposeError
from raypose.models.assigners import SimOTAAssigner, Truth, one_hot
from raypose.models.heads.base_head import BaseHead, numpy_of
from raypose.ops.nms import class_nms
from raypose.registry import MODELS
from raypose.structures import PoseBatch, Poses

LossConfig = Mapping[str, Any] | nn.Module | None


class Positives(NamedTuple):
    """The cells that learn a person, and what they learn.

    Attributes:
        index: (P,) position in the B * A cells.
        bboxes: (P, 4) xyxy, input space.
        classes: (P, C) how well the prediction overlaps its instance, at the instance's class.
        keypoints: (P, K, 2).
        visible: (P, K).
        visible_weights: (P, K).
        areas: (P,).
        priors: (P, 4) x, y and the stride in x and y of the cell.
        number: () how many there are, at least 1, the mean over all processes.
    """

    index: Tensor
    bboxes: Tensor
    classes: Tensor
    keypoints: Tensor
    visible: Tensor
    visible_weights: Tensor
    areas: Tensor
    priors: Tensor
    number: Tensor


class Candidates(NamedTuple):
    """Cells that hold a person, image after image and the best of each first.

    Attributes:
        image: (P,) int64.
        cell: (P,) int64, in 0 ... A - 1.
        scores: (P,).
        labels: (P,) int64.
        bboxes: (P, 4) xyxy, input space.
    """

    image: Tensor
    cell: Tensor
    scores: Tensor
    labels: Tensor
    bboxes: Tensor


class OneStageHead(BaseHead):
    """Parent of YOLOX-Pose's and RTMO's head: priors, assignment and suppression.

    Options of `test_cfg`: `score_thr`, least score of a person (0.01); `nms_thr`, of two people
    whose boxes overlap more only the better remains (1, which keeps all); `nms_pre`, most people
    of an image before that.

    Args:
        num_keypoints: K.
        featmap_strides: of each map.
        num_classes: C.
        use_aux_loss: also learn boxes (and keypoints) relative to their cell.
        assigner: config of the assigner, or a module; training needs it.
        prior_generator: config of the generator of points, or an object.
        losses: by name of the attribute, configs or modules; None for those that are not used.
        overlaps_power: exponent of the overlaps that scores learn.

    Raises:
        ConfigError: without a `prior_generator`.
    """

    test_cfg_keys = ("score_thr", "nms_thr", "nms_pre")

    def __init__(
        self,
        num_keypoints: int,
        featmap_strides: Sequence[int],
        num_classes: int,
        use_aux_loss: bool,
        assigner: Mapping[str, Any] | nn.Module | None,
        prior_generator: Mapping[str, Any] | Any,
        losses: Mapping[str, LossConfig],
        overlaps_power: float,
    ) -> None:
        super().__init__()
        if prior_generator is None:
            raise ConfigError(f"{type(self).__name__} needs a prior_generator")
        self.num_keypoints = num_keypoints
        self.featmap_strides = tuple(featmap_strides)
        self.num_classes = num_classes
        self.use_aux_loss = use_aux_loss
        self.overlaps_power = overlaps_power
        self.prior_generator = MODELS.build(prior_generator)
        self.assigner: SimOTAAssigner | None = None if assigner is None else MODELS.build(assigner)
        for name, loss in losses.items():
            setattr(self, name, None if loss is None else MODELS.build(loss))

    def priors(self, maps: Sequence[Tensor]) -> Tensor:
        """Return x, y and the stride in x and y (A, 4) of all cells of maps (B, C_i, H_i, W_i)."""
        sizes = [item.shape[-2:] for item in maps]
        return self.prior_generator.grid_priors(sizes, torch.float32, maps[0].device)

    def decode_keypoints(self, outputs: Tensor, priors: Tensor) -> Tensor:
        """Return keypoints (B, A, K, 2) from offsets (B, A, 2K) in strides."""
        points, strides = priors[:, None].chunk(2, dim=-1)
        return outputs.unflatten(-1, (self.num_keypoints, 2)) * strides + points

    def assign(
        self,
        priors: Tensor,
        scores: Tensor,
        bboxes: Tensor,
        keypoints: Tensor,
        visible: Tensor,
        batch: PoseBatch,
    ) -> Positives:
        """Choose the cells that learn a person.

        Args:
            priors: (A, 4).
            scores: (B, A, C) in 0..1, predicted.
            bboxes: (B, A, 4), predicted.
            keypoints: (B, A, K, 2), predicted.
            visible: (B, A, K) logits of visibility, predicted.
            batch: with the targets `bboxes` (B, N, 4) xyxy, `labels` (B, N), -1 for padding,
                `keypoints` (B, N, K, 2), `keypoints_visible` (B, N, K), `areas` (B, N) and, where
                known, `keypoints_visible_weights` (B, N, K).

        Raises:
            RayposeError: if targets are missing, or there is no assigner.
        """
        truth = self._truth(batch)
        weights = batch.targets.get("keypoints_visible_weights")
        if self.assigner is None:
            raise RayposeError(f"{type(self).__name__} was built without an assigner")
        found = self.assigner.assign(
            priors,
            scores.detach().nan_to_num(),
            bboxes.detach(),
            keypoints.detach(),
            visible.detach().sigmoid(),
            truth,
        )
        # The one wait for the device in a step: how many cells there are is up to the data.
        index = (found.instances.flatten() >= 0).nonzero()[:, 0]
        image, cell = index // len(priors), index % len(priors)
        instance = found.instances[image, cell]
        bboxes, labels, points, seen, areas = (values[image, instance] for values in truth)
        overlaps = found.overlaps[image, cell]
        return Positives(
            index,
            bboxes,
            one_hot(labels, self.num_classes) * overlaps[:, None],
            points,
            seen,
            torch.ones_like(seen) if weights is None else weights[image, instance],
            areas,
            priors[cell],
            mean_over_processes(overlaps.new_tensor(len(index))).clamp(min=1),
        )

    def candidates(self, scores: Tensor, bboxes: Tensor) -> Candidates:
        """Choose the cells that hold a person.

        Args:
            scores: (B, A, C) in 0..1.
            bboxes: (B, A, 4) xyxy.
        """
        best, labels = scores.max(dim=-1)
        threshold = self.test_cfg.get("score_thr", 0.01)
        most, overlap = self.test_cfg.get("nms_pre", 100000), self.test_cfg.get("nms_thr", 1.0)
        # Suppression is sequential: boxes and scores go to the host.
        hosted_scores, hosted_bboxes = numpy_of(best), numpy_of(bboxes)
        images, cells = [], []
        for i, (values, boxes) in enumerate(zip(hosted_scores, hosted_bboxes, strict=True)):
            kept = np.flatnonzero(values > threshold)
            kept = kept[np.argsort(-values[kept], kind="stable")[:most]]
            if overlap < 1:
                kept = kept[class_nms(boxes[kept], values[kept], overlap)]
            cells.append(kept)
            images.append(np.full(len(kept), i))
        image = torch.from_numpy(np.concatenate(images)).to(scores.device)
        cell = torch.from_numpy(np.concatenate(cells)).to(scores.device)
        return Candidates(image, cell, best[image, cell], labels[image, cell], bboxes[image, cell])

    def poses(
        self, found: Candidates, keypoints: Tensor, visible: Tensor, batch: PoseBatch
    ) -> list[Poses]:
        """Return the people of each image, in input space.

        Args:
            found: their cells.
            keypoints: (P, K, 2).
            visible: (P, K) probabilities.
            batch: whose transforms tell the size of the input, which boxes end at.
        """
        counts = torch.bincount(found.image, minlength=len(batch.transforms)).tolist()
        parts = [
            values.split(counts)
            for values in (keypoints, visible, found.bboxes, found.scores, found.labels)
        ]
        people = []
        for crop, *values in zip(batch.transforms, *parts, strict=True):
            points, seen, boxes, scores = (numpy_of(value) for value in values[:4])
            people.append(
                Poses(
                    keypoints=points,
                    keypoint_scores=seen,
                    keypoints_visible=seen,
                    bboxes=np.clip(boxes, 0, np.tile(crop.input_size, 2)).astype(np.float32),
                    bbox_scores=scores,
                    scores=scores,
                    extras={"labels": values[4].cpu().numpy()},
                )
            )
        return people

    def refuse_flip_test(self, batch: PoseBatch) -> None:
        """Refuse features of mirrored images.

        Raises:
            RayposeError: in a flip test.
        """
        if batch.flip_test:
            raise RayposeError(
                f"{type(self).__name__} has no flip test: set test_cfg.flip_test to false"
            )

    def _truth(self, batch: PoseBatch) -> Truth:
        missing = [name for name in Truth._fields if name not in batch.targets]
        if missing:
            raise RayposeError(
                f"{type(self).__name__} needs the targets {', '.join(missing)}; they come from "
                "the codec YOLOXPoseAnnotationProcessor and the annotations of the data set"
            )
        truth = Truth(*(batch.targets[name] for name in Truth._fields))
        return truth._replace(labels=truth.labels.long())


def decode_boxes(outputs: Tensor, priors: Tensor) -> Tensor:
    """Return boxes (B, A, 4) xyxy.

    Args:
        outputs: (B, A, 4) offsets and logarithms of extents, in strides.
        priors: (A, 4) x, y and the stride in x and y of each cell.
    """
    points, strides = priors.chunk(2, dim=-1)
    center, extent = outputs.chunk(2, dim=-1)
    center, half = center * strides + points, extent.exp() * strides / 2
    return torch.cat([center - half, center + half], dim=-1)


def flatten_maps(maps: Sequence[Tensor]) -> Tensor:
    """Return (B, A, C) float32 from maps (B, C, H_i, W_i), map after map, row by row."""
    return torch.cat([item.flatten(2).mT for item in maps], dim=1).float()


def mean_over_processes(value: Tensor) -> Tensor:
    """Return the mean of a number over all processes of the training."""
    if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
        return value
    total = value / dist.get_world_size()
    dist.all_reduce(total)
    return total
