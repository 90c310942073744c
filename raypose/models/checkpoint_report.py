"""What is in a checkpoint and which model it is of, in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from raypose.models.checkpoint import read_checkpoint, weights_of
from raypose.models.checkpoint_keys import convert_keys, key_digest
from raypose.weights import PublishedModel, published_models

_TEXT_WIDTH = 90


def checkpoint_report(path: str | Path) -> Iterator[str]:
    """Yield lines: what the file holds, which configs its weights fit, then every key.

    Raises:
        CheckpointError: if the file cannot be read or has no weights.
    """
    checkpoint = read_checkpoint(path)
    saved = weights_of(checkpoint, path)
    weights = convert_keys(saved)
    yield f"{path}: {_size_of(weights)}"
    yield f"entries: {', '.join(_entries(checkpoint)) or 'the weights alone'}"
    yield from _meta_lines(checkpoint)
    fitting = models_that_fit(weights, Path(path).name)
    if fitting:
        yield f"fits: {fitting[0].config}"
        if len(fitting) > 1:
            others = ", ".join(model.name for model in fitting[1:])
            yield f"has the keys and shapes of {len(fitting) - 1} more: {others}"
    else:
        yield "fits: none of the published models"
    renamed = sum(key not in saved for key in weights)
    if renamed:
        yield f"{renamed} keys are of an older form and shown as they are read"
    for key, value in weights.items():
        yield f"  {key} {list(value.shape)} {_dtype(value)}"


def models_that_fit(weights: Mapping[str, Tensor], file_name: str) -> list[PublishedModel]:
    """Return the published models with these keys and shapes, that of the file's name first.

    Args:
        weights: under today's keys.
        file_name: the name of the file.
    """
    digest = key_digest(weights)
    fitting = [model for model in published_models().values() if model.keys == digest]
    return sorted(fitting, key=lambda model: model.file_name != file_name)


def _size_of(weights: Mapping[str, Tensor]) -> str:
    numbers = sum(value.numel() for value in weights.values())
    kinds = Counter(_dtype(value) for value in weights.values())
    dtypes = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
    return f"{len(weights)} tensors ({dtypes}), {numbers / 1e6:.2f} M numbers"


def _entries(checkpoint: Mapping[str, Any]) -> list[str]:
    return [str(key) for key, value in checkpoint.items() if not isinstance(value, Tensor)]


def _meta_lines(checkpoint: Mapping[str, Any]) -> Iterator[str]:
    meta = checkpoint.get("meta")
    named = {**meta} if isinstance(meta, Mapping) else {}
    if "config" in checkpoint:
        named["config"] = checkpoint["config"]
    for key, value in named.items():
        text = f"{len(value)} entries" if isinstance(value, Mapping) else str(value)
        lines = text.splitlines()
        if len(lines) > 1:
            text = f"{len(lines)} lines"
        yield f"  {key}: {text[:_TEXT_WIDTH]}{'...' if len(text) > _TEXT_WIDTH else ''}"


def _dtype(value: Tensor) -> str:
    return str(value.dtype).removeprefix("torch.")
