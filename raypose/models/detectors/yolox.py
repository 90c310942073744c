"""What YOLOX takes and gives, without its network.

Ge et al., "YOLOX: Exceeding YOLO Series in 2021" (https://arxiv.org/abs/2107.08430).

B images, A grid cells of all levels, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from raypose.errors import ConfigError

MEAN = (0.0, 0.0, 0.0)
STD = (1.0, 1.0, 1.0)
NMS_THR = 0.45
STRIDES = ((8, 16, 32), (8, 16, 32, 64))


def is_yolox(outputs: Mapping[str, npt.NDArray[Any]]) -> bool:
    """Return whether outputs are YOLOX's one list of cells."""
    values = list(outputs.values())
    return len(values) == 1 and values[0].ndim == 3 and values[0].shape[-1] > 5


def decode_yolox(
    outputs: Mapping[str, npt.NDArray[Any]], input_size: tuple[int, int]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Turn the cells into boxes and scores.

    Exports differ in whether the network has decoded its boxes already. Then the centers span the
    input; otherwise they are offsets of a few cells.

    Args:
        outputs: one array (B, A, 5 + C): center x, y, width, height (offsets in cells and
            logarithms, or pixels), objectness and class scores in 0..1.
        input_size: (w, h) of the network's input.

    Returns:
        Boxes (B, A, 4) xyxy in input space and scores (B, A, C), both float32.

    Raises:
        ConfigError: if A fits none of YOLOX's sets of strides.
    """
    (cells,) = (np.asarray(value, np.float32) for value in outputs.values())
    centers, extents = cells[..., :2], cells[..., 2:4]
    if np.abs(centers).max() < max(input_size) / 2:
        grid, stride = _grid(cells.shape[1], input_size)
        centers, extents = (centers + grid) * stride, np.exp(extents) * stride
    boxes = np.concatenate([centers - extents / 2, centers + extents / 2], axis=-1)
    return boxes.astype(np.float32, copy=False), cells[..., 4:5] * cells[..., 5:]


def _grid(
    num_cells: int, input_size: tuple[int, int]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Return the (A, 2) column and row and the (A, 1) stride of each cell."""
    for strides in STRIDES:
        sizes = [(input_size[0] // stride, input_size[1] // stride) for stride in strides]
        if sum(w * h for w, h in sizes) == num_cells:
            grids = [np.stack(np.meshgrid(np.arange(w), np.arange(h)), -1) for w, h in sizes]
            cells = np.concatenate([grid.reshape(-1, 2) for grid in grids])
            each = np.repeat(strides, [w * h for w, h in sizes])
            return cells.astype(np.float32), each[:, None].astype(np.float32)
    raise ConfigError(
        f"a YOLOX network of input size {input_size[0]}x{input_size[1]} does not give "
        f"{num_cells} cells; is input_size right?"
    )
