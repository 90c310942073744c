"""What RTMDet takes and gives, without its network.

Lyu et al., "RTMDet: An Empirical Study of Designing Real-Time Object Detectors", 2022
(https://arxiv.org/abs/2212.07784).

B images, A anchor points of all levels, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

MEAN = (103.53, 116.28, 123.675)
STD = (57.375, 57.12, 58.395)
NMS_THR = 0.6


def is_rtmdet(outputs: Mapping[str, npt.NDArray[Any]]) -> bool:
    """Return whether outputs are RTMDet's maps, one for each level."""
    return len(outputs) > 1 and all(
        value.ndim == 4 and value.shape[-1] > 4 for value in outputs.values()
    )


def decode_rtmdet(
    outputs: Mapping[str, npt.NDArray[Any]], input_size: tuple[int, int]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Turn the maps of all levels into boxes and scores.

    Args:
        outputs: for each level (B, H, W, C + 4) class logits and distances left, top, right,
            bottom in pixels from the anchor point (column * stride, row * stride).
        input_size: (w, h) of the network's input.

    Returns:
        Boxes (B, A, 4) xyxy in input space and scores (B, A, C), both float32.
    """
    boxes, logits = [], []
    for level in outputs.values():
        B, H, W, channels = level.shape
        C = channels - 4
        x = np.arange(W, dtype=np.float32) * (input_size[0] / W)
        y = np.arange(H, dtype=np.float32) * (input_size[1] / H)
        points = np.stack(np.meshgrid(x, y), axis=-1)
        distances = level[..., C:]
        corners = [points - distances[..., :2], points + distances[..., 2:]]
        boxes.append(np.concatenate(corners, axis=-1).reshape(B, -1, 4))
        logits.append(level[..., :C].reshape(B, -1, C))
    # exp of a strongly negative logit's opposite overflows to inf, which gives the right 0.
    with np.errstate(over="ignore"):
        scores = 1 / (1 + np.exp(-np.concatenate(logits, axis=1)))
    return np.concatenate(boxes, axis=1).astype(np.float32), scores.astype(np.float32)
