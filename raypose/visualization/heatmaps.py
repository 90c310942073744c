"""Shows heatmaps over the picture they were computed from."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Image = npt.NDArray[Any]


def overlay_heatmaps(
    image: Image, heatmaps: npt.NDArray[np.floating[Any]], *, alpha: float = 0.65
) -> Image:
    """Blend the strongest of K heatmaps at each pixel over a picture, in a colour scale.

    Args:
        image: (H, W, 3) uint8 BGR, usually the network's input.
        heatmaps: (K, h, w); they cover the picture, whatever their size.
        alpha: opacity where a heatmap is at its maximum; it fades to 0 with the heatmap.

    Returns:
        (H, W, 3) uint8 BGR.

    Raises:
        ValueError: if `heatmaps` is not (K, h, w).
    """
    if heatmaps.ndim != 3:
        raise ValueError(f"heatmaps of shape (K, h, w) expected, got {heatmaps.shape}")
    strength = np.clip(heatmaps.max(axis=0), 0.0, None).astype(np.float32)
    strength /= max(float(strength.max()), 1e-12)
    height, width = image.shape[:2]
    strength = cv2.resize(strength, (width, height), interpolation=cv2.INTER_LINEAR)
    colors = cv2.applyColorMap(np.round(strength * 255).astype(np.uint8), cv2.COLORMAP_TURBO)
    share = (alpha * strength)[..., None]
    return np.round(image * (1 - share) + colors * share).astype(np.uint8)
