"""`BatchSyncRandomResize`: another size for every few batches, the same in all processes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch.nn.functional as F
from torch import Tensor, nn

from raypose.errors import ConfigError
from raypose.registry import MODELS
from raypose.structures import PoseBatch


@MODELS.register_module()
class BatchSyncRandomResize(nn.Module):
    """Resize training batches and the coordinates of their targets.

    The size follows from the number of batches seen, so that all processes use the same one
    without asking each other. The first `interval` batches keep theirs.

    Args:
        random_size_range: least and largest height, in pixels.
        interval: number of batches of one size.
        size_divisor: height and width become multiples of it.

    Raises:
        ConfigError: for a range that is empty or holds no multiple.

    Example:
        type: BatchSyncRandomResize
        random_size_range: [320, 640]
        size_divisor: 32
        interval: 1
    """

    def __init__(
        self, random_size_range: Sequence[int], interval: int = 10, size_divisor: int = 32
    ) -> None:
        super().__init__()
        least, most = (round(size / size_divisor) for size in random_size_range)
        if not 1 <= least <= most or interval < 1:
            raise ConfigError(
                "BatchSyncRandomResize: random_size_range is [least, most], both at least "
                f"size_divisor, and interval at least 1, got {list(random_size_range)}, "
                f"{size_divisor} and {interval}"
            )
        self.steps = (least, most)
        self.interval = interval
        self.size_divisor = size_divisor
        self.seen = 0

    def forward(self, inputs: Tensor, batch: PoseBatch) -> tuple[Tensor, PoseBatch]:
        """Return inputs of another size and a batch whose targets fit.

        Args:
            inputs: (B, C, H, W).
            batch: its targets `keypoints` (B, N, K, 2), `bboxes` (B, N, 4) and `areas` (B, N),
                where it has them, are in input space and are scaled, `heatmap_mask` (B, H, W) is
                resized.
        """
        height, width = inputs.shape[-2:]
        size = self._size(height, width)
        self.seen += 1
        if size == (height, width):
            return inputs, batch
        y, x = size[0] / height, size[1] / width
        factor = inputs.new_tensor([x, y])
        targets = dict(batch.targets)
        for name, scale in (
            ("keypoints", factor),
            ("bboxes", factor.repeat(2)),
            ("areas", factor.prod()),
        ):
            if name in targets:
                targets[name] = targets[name] * scale
        if "heatmap_mask" in targets:
            mask = targets["heatmap_mask"].float()[:, None]
            targets["heatmap_mask"] = F.interpolate(mask, size, mode="bilinear")[:, 0]
        resized = F.interpolate(inputs, size, mode="bilinear", align_corners=False)
        return resized, batch.replace(inputs=resized, targets=targets)

    def _size(self, height: int, width: int) -> tuple[int, int]:
        """Return (h, w) of this batch."""
        period = self.seen // self.interval
        if period == 0:
            return height, width
        least, most = self.steps
        drawn = int(np.random.default_rng(period).integers(least, most, endpoint=True))
        return self.size_divisor * drawn, self.size_divisor * int(drawn * width / height)
