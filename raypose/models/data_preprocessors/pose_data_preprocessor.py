"""`PoseDataPreprocessor`: channel order, normalisation and padding, on the model's device."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from raypose.errors import ConfigError
from raypose.registry import MODELS
from raypose.structures import PoseBatch


@MODELS.register_module()
class PoseDataPreprocessor(nn.Module):
    """Turn raw images into the network's input.

    Args:
        mean: of each channel in the order after swapping, or one for all; None to leave values
            as they are.
        std: of each channel, given together with `mean`.
        pad_size_divisor: height and width become multiples of it.
        pad_value: what is added at the bottom and the right, after normalisation.
        bgr_to_rgb: swap channels of BGR images.
        rgb_to_bgr: swap channels of RGB images.
        batch_augments: configs of what changes whole batches while training, such as
            `BatchSyncRandomResize`, or modules.

    Raises:
        ConfigError: for arguments that contradict each other.

    Example:
        type: PoseDataPreprocessor
        mean: [123.675, 116.28, 103.53]
        std: [58.395, 57.12, 57.375]
        bgr_to_rgb: true
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        pad_size_divisor: int = 1,
        pad_value: float = 0,
        bgr_to_rgb: bool = False,
        rgb_to_bgr: bool = False,
        batch_augments: Sequence[Mapping[str, Any] | nn.Module] | None = None,
    ) -> None:
        super().__init__()
        if bgr_to_rgb and rgb_to_bgr:
            raise ConfigError("PoseDataPreprocessor: bgr_to_rgb and rgb_to_bgr exclude each other")
        if (mean is None) != (std is None):
            raise ConfigError("PoseDataPreprocessor: mean and std are given together")
        self.normalize = mean is not None
        for name, values in (("mean", mean), ("std", std)):
            if values is not None and len(values) not in (1, 3):
                raise ConfigError(
                    f"PoseDataPreprocessor: {name} has 1 or 3 values, got {list(values)}"
                )
            if values is not None:
                # Not saved: they are part of the config.
                tensor = torch.tensor(values, dtype=torch.float32).view(-1, 1, 1)
                self.register_buffer(name, tensor, persistent=False)
        self.swap_channels = bgr_to_rgb or rgb_to_bgr
        self.pad_size_divisor = pad_size_divisor
        self.pad_value = pad_value
        self.batch_augments = nn.ModuleList(MODELS.build(step) for step in batch_augments or ())

    def augment(self, inputs: Tensor, batch: PoseBatch) -> tuple[Tensor, PoseBatch]:
        """Return normalised inputs (B, 3, H, W) and their batch as `batch_augments` change them."""
        for step in self.batch_augments:
            inputs, batch = step(inputs, batch)
        return inputs, batch

    def forward(self, inputs: Tensor | Sequence[Tensor]) -> Tensor:
        """Return the batch (B, 3, H, W) float32 that the network takes.

        Args:
            inputs: (B, 3, H, W), or B images (3, H_i, W_i), which are padded to the largest;
                uint8 as a rule.
        """
        if isinstance(inputs, Tensor):
            return self._pad(self._normalize(inputs), *inputs.shape[-2:])
        height, width = (max(image.shape[i] for image in inputs) for i in (-2, -1))
        images = [self._pad(self._normalize(image), height, width) for image in inputs]
        return torch.stack(images)

    def _normalize(self, images: Tensor) -> Tensor:
        if self.swap_channels:
            images = images.flip(-3)
        # A copy even of float images: what follows works in place.
        images = images.to(torch.float32, copy=True)
        return images.sub_(self.mean).div_(self.std) if self.normalize else images

    def _pad(self, images: Tensor, height: int, width: int) -> Tensor:
        divisor = self.pad_size_divisor
        down = -(-height // divisor) * divisor - images.shape[-2]
        right = -(-width // divisor) * divisor - images.shape[-1]
        if not down and not right:
            return images
        return F.pad(images, (0, right, 0, down), value=self.pad_value)
