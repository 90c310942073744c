"""Convolution over sequences that is one multiplication of matrices on a CPU."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class Conv1d(nn.Conv1d):
    """As torch's, with its arguments, weights and results.

    Lifters have many channels and few frames, for which the convolutions of a CPU are made less
    than for images: as a product of matrices a step of training takes a third to a sixth of the
    time. Exported graphs keep the convolution, and so do other devices, padding and groups.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, out_channels, T') from (B, in_channels, T)."""
        if x.dim() != 3 or not self._as_matrices(x):
            return super().forward(x)
        (size,), (stride,), (dilation,) = self.kernel_size, self.stride, self.dilation
        if size == stride == 1:
            rows = x.transpose(1, 2)
        else:
            span = dilation * (size - 1) + 1
            # (B, T', C, size): for each output frame what its kernel sees.
            seen = x.unfold(2, span, stride)[..., ::dilation]
            rows = seen.transpose(1, 2).flatten(2)
        return functional.linear(rows, self.weight.flatten(1), self.bias).transpose(1, 2)

    def _as_matrices(self, x: Tensor) -> bool:
        if x.device.type != "cpu" or self.groups > 1 or self.padding != (0,):
            return False
        return not (torch.compiler.is_compiling() or torch.onnx.is_in_onnx_export())
