"""Any checkpoint to a `.safetensors` file of its weights, under today's keys."""

from __future__ import annotations

import os
from pathlib import Path

from safetensors.torch import save_file

from raypose.errors import CheckpointError
from raypose.models.checkpoint import read_checkpoint, weights_of
from raypose.models.checkpoint_keys import convert_keys


def convert_checkpoint(source: str | Path, target: Path, overwrite: bool = False) -> int:
    """Write the weights of a checkpoint to a `.safetensors` file.

    The state of an optimizer, the history and everything else but the weights stays behind; the
    config of a checkpoint of raypose goes along, so that the file still says what it is.

    Args:
        source: see `read_checkpoint`.
        target: the file to write; it appears only when it is whole.
        overwrite: replace a file that is there.

    Returns:
        The number of tensors.

    Raises:
        CheckpointError: if the source cannot be read, or the target is there or named otherwise.
    """
    if target.suffix != ".safetensors":
        raise CheckpointError(f"{target} should end in .safetensors")
    if target.exists() and not overwrite:
        raise CheckpointError(f"{target} is there already; use --overwrite to replace it")
    checkpoint = read_checkpoint(source)
    weights = convert_keys(weights_of(checkpoint, source))
    # Tensors of one file must not share memory, as tied weights do.
    tensors = {key: value.detach().clone().contiguous() for key, value in weights.items()}
    config = checkpoint.get("config")
    metadata = {"format": "pt", **({"config": config} if isinstance(config, str) else {})}
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        save_file(tensors, partial, metadata)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return len(tensors)
