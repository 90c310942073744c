"""What a codec makes of a sample, where it is an image: heatmaps and the vectors of SimCC."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from torch import Tensor

from raypose.visualization import overlay_heatmaps

Image = npt.NDArray[Any]
_X, _Y = "keypoint_x_labels", "keypoint_y_labels"


def target_pictures(targets: Mapping[str, Any], image: Image) -> list[tuple[str, Image]]:
    """Draw the targets of one sample over the network's input.

    Args:
        targets: what the codec encoded, each with a leading 1.
        image: (H, W, 3) uint8 BGR, the input.

    Returns:
        A name and a picture of each that has the shape of an image: heatmaps, the strongest of
        all keypoints, instances, levels and depths at each place; and x and y labels of SimCC,
        multiplied with each other.
    """
    pictures = [
        (name.replace("_", " "), _overlaid(image, maps.max(axis=0)))
        for name, maps in ((name, _maps(name, value)) for name, value in targets.items())
        if maps is not None
    ]
    if isinstance(targets.get(_X), Tensor) and isinstance(targets.get(_Y), Tensor):
        x, y = (_array(targets[name]) for name in (_X, _Y))
        x, y = x.reshape(-1, x.shape[-1]), y.reshape(-1, y.shape[-1])
        # One-hot labels are 0 for keypoints outside; softened ones may be small everywhere.
        products = np.zeros((y.shape[1], x.shape[1]), np.float32)
        for across, down in zip(x, y, strict=True):
            products = np.maximum(products, down[:, None] * across)
        pictures.append(("x and y labels", _overlaid(image, products)))
    return pictures


def _maps(name: str, value: Any) -> npt.NDArray[np.float32] | None:
    """Return the maps (M, h, w) of a target, None if it is none."""
    if not name.endswith("heatmaps") or not isinstance(value, Tensor) or value.ndim < 4:
        return None
    maps = _array(value)
    return maps.reshape(-1, *maps.shape[-2:])


def _overlaid(image: Image, strength: npt.NDArray[np.float32]) -> Image:
    """Show a map (h, w) over a picture (H, W, 3); its cell (i, j) is at pixel (i W / w, j H / h).

    That is where codecs have it, half a cell from where resizing would put it.
    """
    (height, width), (rows, columns) = image.shape[:2], strength.shape
    grow = np.array([[width / columns, 0, 0], [0, height / rows, 0]])
    grown = cv2.warpAffine(strength, grow, (width, height), borderMode=cv2.BORDER_REPLICATE)
    return overlay_heatmaps(image, np.asarray(grown, np.float32)[None])


def _array(value: Tensor) -> npt.NDArray[np.float32]:
    return value.detach().float().cpu().numpy()
