"""One forward pass without numbers: what does not fit together shows before training starts.

The model is built on torch's `meta` device, which knows shapes only, so that this takes a moment
and no memory for any model.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from raypose.config import Config, build_model
from raypose.errors import ConfigError

_BATCH = 2


def dry_run(config: Config) -> Any:
    """Build the model of a config and run it on shapes.

    Returns:
        The raw output of `estimator.forward`, tensors on `meta`; None for a model that cannot run
        on shapes, such as one with a module of the user's that looks at numbers.

    Raises:
        ConfigError: naming the module that got what it cannot take, or the output that does not
            have the size the codec reads.
    """
    codec: Mapping[str, Any] = config.data.get("codec") or {}
    shape = _input_shape(config, codec)
    if shape is None:
        return None
    try:
        with torch.device("meta"):
            model: nn.Module = build_model(config).eval()
    except Exception as error:
        if _is_about_meta(error):
            return None
        raise
    inputs = torch.empty(shape, device="meta")
    where = config.path or "the config"
    entered = ["model"]

    def enter(module: nn.Module, given: tuple[Any, ...], name: str) -> None:
        entered.append(name)
        _check_channels(module, given)

    for name, module in model.named_modules(prefix="model"):
        module.register_forward_pre_hook(partial(enter, name=name))
    try:
        with torch.no_grad():
            outputs = model(inputs)
    except Exception as error:
        if _is_about_meta(error):
            return None
        if not isinstance(error, (RuntimeError, ValueError, IndexError)):
            raise
        reason = str(error).splitlines()[0]
        raise ConfigError(f"{where}: {entered[-1]}: {reason}") from error
    problem = _wrong_size(outputs, codec)
    if problem is not None:
        raise ConfigError(f"{where}: model.head: {problem}")
    return outputs


def _is_about_meta(error: Exception) -> bool:
    return isinstance(error, NotImplementedError) or "meta" in str(error)


def _input_shape(config: Config, codec: Mapping[str, Any]) -> tuple[int, ...] | None:
    """Return the shape of a batch: images (B, 3, H, W), or keypoints (B, C, T) for a lifter."""
    size = codec.get("input_size")
    if size is not None:
        return (_BATCH, 3, int(size[1]), int(size[0]))
    backbone: Mapping[str, Any] = config.data["model"].get("backbone") or {}
    if "kernel_sizes" in backbone:
        # One frame of output needs as many frames of input as the kernels span.
        frames = 1
        for kernel in backbone["kernel_sizes"]:
            frames *= int(kernel)
        return (_BATCH, int(backbone["in_channels"]), frames)
    return None


def _check_channels(module: nn.Module, given: tuple[Any, ...]) -> None:
    """Raise for an input of another width; on `meta` torch lets some of them pass."""
    if isinstance(module, _ConvNd):
        expected, axis = module.in_channels, 1
    elif isinstance(module, nn.Linear):
        expected, axis = module.in_features, -1
    else:
        return
    got = given[0].shape[axis]
    if got != expected:
        raise ValueError(f"made for {expected} channels, got {got}")


def _wrong_size(outputs: Any, codec: Mapping[str, Any]) -> str | None:
    """Say how outputs differ from what the codec reads, None if they do not."""
    heatmap_size, split = codec.get("heatmap_size"), codec.get("simcc_split_ratio")
    heatmaps = _heatmaps(outputs)
    if heatmap_size is not None and heatmaps is not None:
        got = (heatmaps.shape[-1], heatmaps.shape[-2])
        if got != tuple(heatmap_size):
            return f"heatmaps are {list(got)} (w, h), codec.heatmap_size is {list(heatmap_size)}"
    if split is not None and _is_pair(outputs):
        got = (outputs[0].shape[-1], outputs[1].shape[-1])
        wanted = tuple(round(side * split) for side in codec["input_size"])
        if got != wanted:
            return f"SimCC vectors are {list(got)} long, the codec reads {list(wanted)}"
    return None


def _heatmaps(outputs: Any) -> Tensor | None:
    first: Any = outputs
    while isinstance(first, (list, tuple)) and first:
        first = first[0]
    return first if isinstance(first, Tensor) and first.ndim == 4 else None


def _is_pair(outputs: Any) -> bool:
    """Return whether this is a pair of vectors (B, K, W), for x and y."""
    is_two = isinstance(outputs, (list, tuple)) and len(outputs) == 2
    return is_two and all(isinstance(item, Tensor) and item.ndim == 3 for item in outputs)
