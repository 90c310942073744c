"""Batches to try a network with, made the way prediction makes them."""

from __future__ import annotations

import numpy as np

from raypose.inference.pose_stage import PoseStage
from raypose.models.detectors import Detections
from raypose.structures import PoseBatch

# Samples and (h, w) of their images: what depends on either shows in the shapes of the inputs.
_PROBES = ((2, (480, 640)), (1, (640, 480)))


def probe_poses(stage: PoseStage) -> list[PoseBatch]:
    """Return batches of random images, whole or with one box round everything."""
    batches = []
    rng = np.random.default_rng(0)
    for count, (height, width) in _PROBES:
        box = Detections.from_boxes([[0, 0, width, height]])
        images = rng.integers(0, 256, (count, height, width, 3), np.uint8)
        samples = [sample for image in images for sample in stage.crop(image, box)]
        batches.append(PoseBatch.collate(samples).to(stage.device))
    return batches
