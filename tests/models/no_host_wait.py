"""A mode in which whatever makes the host wait for the device is an error, also on a CPU."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

_WAITS = (
    torch.ops.aten._local_scalar_dense.default,  # item(), bool(), float(), `if tensor:`
    torch.ops.aten.nonzero.default,
    torch.ops.aten.masked_select.default,
    torch.ops.aten.lift_fresh.default,  # torch.tensor([...]): a copy from the host
)


class NoHostWait(TorchDispatchMode):
    """Raise at reads of single values, at indices made from masks and at copies from the host."""

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if func in _WAITS:
            raise AssertionError(f"{func} waits for the device")
        if func is torch.ops.aten.index.Tensor:
            for index in args[1]:
                if index is not None and index.dtype in (torch.bool, torch.uint8):
                    raise AssertionError("an index made from a mask waits for the device")
        return func(*args, **(kwargs or {}))
