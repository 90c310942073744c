"""Weights from files: MMPose's, MMPretrain's and torchvision's, and raypose's own.

A file is data here: nothing it names is imported or run. Reading goes from the file
(`read_checkpoint`) to the weights in it (`weights_of`), their keys in today's form
(`checkpoint_keys`), and into a model (`load_checkpoint`, `load_pretrained`).
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
from torch import Tensor, nn

from raypose.errors import CheckpointError, did_you_mean
from raypose.models.checkpoint_fit import compare
from raypose.models.checkpoint_keys import convert_keys
from raypose.models.unpickling import UnreadableFileError, load_file
from raypose.weights import local_file
from raypose.weights.digests import digest_in_name, sha256_of

logger = logging.getLogger(__name__)

# What weights are filed under, in the order they are looked for. The first holds averaged
# weights where training averaged them, both in MMEngine's files and in ours.
_WEIGHT_KEYS = ("state_dict", "model", "model_state_dict", "ema_state_dict")


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read a checkpoint file to the CPU.

    Args:
        path: a `.pth` or `.pt` file, a `.safetensors` file, or the address of one (`https:`),
            which is downloaded once; see `raypose.weights`.

    Returns:
        What was saved, for example `state_dict` and `meta`. Objects of foreign classes are
        replaced by `raypose.models.unpickling.Foreign`, which holds nothing but their name.

    Raises:
        CheckpointError: if there is no such file, or it is damaged or no checkpoint.
    """
    name, path = str(path), local_file(path)
    if not path.is_file():
        raise CheckpointError(_no_file(name))
    _check_digest(path)
    try:
        found = _load_safetensors(path) if path.suffix == ".safetensors" else load_file(path)
    except UnreadableFileError as error:
        raise CheckpointError(f"{path}: {error}") from error
    if not isinstance(found, dict):
        raise CheckpointError(
            f"{path} is no checkpoint: it holds a {type(found).__name__}, not a mapping of weights"
        )
    return found


def weights_of(
    checkpoint: Mapping[str, Any], path: str | Path = "the checkpoint"
) -> dict[str, Any]:
    """Return the weights of a checkpoint, by their keys as they were saved.

    Raises:
        CheckpointError: if there are none.
    """
    for name in _WEIGHT_KEYS:
        if isinstance(checkpoint.get(name), Mapping):
            checkpoint = checkpoint[name]
            break
    weights = {k: v for k, v in checkpoint.items() if isinstance(k, str) and isinstance(v, Tensor)}
    if not weights:
        raise CheckpointError(
            f"{path} holds no weights; its entries are {', '.join(map(str, checkpoint)) or 'none'}"
        )
    return weights


def load_checkpoint(model: nn.Module, path: str | Path, strict: bool = True) -> None:
    """Load weights into a model.

    Args:
        model: gets the weights, on its device.
        path: see `read_checkpoint`.
        strict: accept nothing but a perfect fit; otherwise what does not fit is left as it is and
            said in the log.

    Raises:
        CheckpointError: if the file cannot be read, does not fit and `strict`, or has nothing at
            all for this model.
    """
    _load(model, convert_keys(weights_of(read_checkpoint(path), path), _keys(model)), path, strict)


def load_pretrained(module: nn.Module, checkpoint: str, prefix: str | None = None) -> None:
    """Start a module, as a rule a backbone, from weights that may be of a larger model.

    Args:
        module: gets the weights.
        checkpoint: path or address of the file.
        prefix: only keys that start with it are taken, without it. By default `backbone.`, if no
            key fits as it is.

    Raises:
        CheckpointError: if the file cannot be read or has nothing for this module.
    """
    weights = weights_of(read_checkpoint(checkpoint), checkpoint)
    known = _keys(module)
    weights = {key.removeprefix("module."): value for key, value in weights.items()}
    larger = any(key.startswith("backbone.") for key in weights)
    if prefix is None and larger and known.isdisjoint(weights):
        prefix = "backbone."
    if prefix is not None:
        prefix = prefix if prefix.endswith(".") else f"{prefix}."
        weights = {k.removeprefix(prefix): v for k, v in weights.items() if k.startswith(prefix)}
    _load(module, convert_keys(weights, known), checkpoint, strict=False)


def _load(model: nn.Module, weights: dict[str, Tensor], path: str | Path, strict: bool) -> None:
    for name, module in model.named_modules():
        adapt = getattr(module, "adapt_state_dict", None)
        if callable(adapt):
            adapt(weights, f"{name}." if name else "")
    fit = compare(model, weights)
    if not fit.fitting:
        raise CheckpointError(f"{path} has nothing for {type(model).__name__}: {fit.report()}")
    if not fit.perfect:
        message = f"{path} does not fit {type(model).__name__}: {fit.report()}"
        if strict:
            raise CheckpointError(message)
        logger.warning(message)
    model.load_state_dict({key: weights[key] for key in fit.fitting}, strict=False)


def _keys(module: nn.Module) -> set[str]:
    return set(module.state_dict(keep_vars=True))


def _no_file(name: str) -> str:
    if re.match(r"[a-z-]{2,}:/", name):
        return f"{name} is no local file: download it and give its path"
    path = Path(name)
    siblings = [p.name for p in path.parent.glob("*.pt*")]
    return f"no checkpoint at {name}.{did_you_mean(path.name, siblings)}"


def _check_digest(path: Path) -> None:
    """Hold a file to the digest that MMPose puts into the names of its files."""
    promised = digest_in_name(path.name)
    if promised is None:
        return
    found = sha256_of(path)
    if not found.startswith(promised):
        raise CheckpointError(
            f"{path} is damaged: its name promises sha256 {promised}..., it has {found[:8]}...; "
            "download it again (or rename it if it was changed on purpose)"
        )


def _load_safetensors(path: Path) -> dict[str, Any]:
    """Return `state_dict`, and `config` if `raypose weights convert` kept one."""
    try:
        with safetensors.safe_open(path, "pt") as file:
            kept = file.metadata() or {}
            weights = {key: file.get_tensor(key) for key in file.keys()}
    except safetensors.SafetensorError as error:
        raise CheckpointError(f"{path} is damaged or no safetensors file: {error}") from error
    return {"state_dict": weights, **({"config": kept["config"]} if "config" in kept else {})}
