"""`run_on_backend`: let an estimator's `predict` run its network on a backend."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from raypose import __version__
from raypose.errors import RayposeError
from raypose.inference.backends.choice import choose_backend
from raypose.inference.backends.export import exporters
from raypose.inference.backends.export_cache import open_cached
from raypose.inference.backends.nested import flatten, rebuild
from raypose.inference.backends.network import Run, watch
from raypose.inference.backends.sessions import Session, open_session
from raypose.models.estimators.base import BasePoseEstimator
from raypose.structures import PoseBatch

logger = logging.getLogger(__name__)

# Of the largest value of an output. Sums in another order differ by some millionths, a network
# that is not the same one by more than all of it.
TOLERANCE = 1e-3


def run_on_backend(
    estimator: BasePoseEstimator,
    probes: Callable[[], Sequence[PoseBatch]],
    backend: str,
    device: torch.device,
    identity: str = "",
) -> str:
    """Let `estimator.predict` run its network on a backend from now on.

    The network is exported once, kept under the folder of weights by the hash of all it depends
    on, and held against torch here: outputs may differ by `TOLERANCE` of the largest value.

    Args:
        estimator: in evaluation mode on the device.
        probes: makes batches to try it with, of more than one number of samples.
        backend: `auto`, `torch`, `onnxruntime` or `openvino`; `auto` stays with torch where the
            network cannot be exported.
        device: where the model runs.
        identity: what makes the network besides its weights, such as the text of its config.

    Returns:
        The backend that runs it.

    Raises:
        ConfigError: if the backend is unknown or not installed.
        RayposeError: if a backend other than `auto` cannot run the network or answers otherwise.
    """
    chosen = choose_backend(backend, device)
    if chosen == "torch":
        return chosen
    try:
        _install(estimator, probes(), chosen, device, identity)
    except RayposeError as error:
        if backend != "auto":
            raise RayposeError(
                f"{type(estimator).__name__} does not run on {chosen}: {error}\n"
                "backend auto or torch runs it in torch"
            ) from error
        logger.info("%s runs in torch: %s", type(estimator).__name__, error)
        return "torch"
    return chosen


def _install(
    estimator: BasePoseEstimator,
    batches: Sequence[PoseBatch],
    backend: str,
    device: torch.device,
    identity: str,
) -> None:
    for module in list(estimator.modules()):
        fold = getattr(module, "switch_to_deploy", None)
        if callable(fold):
            fold()
    network, calls = watch(estimator, batches)
    example = max(calls, key=lambda call: len(call.inputs))
    axes = _dynamic_axes([call.inputs for call in calls])

    def open_model(model: bytes) -> Run:
        run = _nested_run(open_session(backend, model, device), example.outputs, device)
        for call in calls:
            _check(flatten(run(call.inputs)), flatten(call.outputs))
        return run

    def make() -> tuple[bytes, Run]:
        logger.info("exporting %s once; some models take a minute", type(estimator).__name__)
        problems = []
        for export in exporters():
            try:
                model = export(network, example, axes)
                return model, open_model(model)
            except RayposeError as error:
                problems.append(f"{export.__name__}: {error}")
        raise RayposeError("\n".join(problems))

    form = [tuple(example.inputs.shape), axes, network.with_head, identity]
    run = open_cached(_key(estimator, form), open_model, make)
    network.install(run)
    logger.info(
        "%s of %s on %s",
        "the network" if network.with_head else "backbone and neck",
        type(estimator).__name__,
        backend,
    )


def _nested_run(session: Session, like: Any, device: torch.device) -> Run:
    """Return a function that answers as the network in torch does."""

    def run(inputs: Tensor) -> Any:
        try:
            arrays = session(np.ascontiguousarray(inputs.cpu().numpy()))
        except Exception as error:  # each library has exceptions of its own
            shape = tuple(inputs.shape)
            raise RayposeError(f"the exported network fails on {shape}: {error}") from error
        leaves: Iterator[Tensor] = (torch.from_numpy(array).to(device) for array in arrays)
        return rebuild(like, leaves)

    return run


def _dynamic_axes(inputs: Sequence[Tensor]) -> tuple[int, ...]:
    """Return the axes whose size depends on the image, after that of the samples."""
    first = inputs[0].shape
    changing = {i for x in inputs for i, size in enumerate(x.shape) if size != first[i]}
    return tuple(sorted({0, *changing}))


def _check(found: Sequence[Tensor], expected: Sequence[Tensor]) -> None:
    """Compare outputs.

    Raises:
        RayposeError: if they are not the same but for rounding.
    """
    for i, (one, other) in enumerate(zip(found, expected, strict=True)):
        if one.shape != other.shape:
            raise RayposeError(
                f"output {i} has the shape {tuple(one.shape)}, in torch {tuple(other.shape)}"
            )
        if not other.numel():
            continue
        error = float((one - other).abs().max() / other.abs().max().clamp(min=1e-6))
        if not error <= TOLERANCE:
            raise RayposeError(
                f"output {i} differs from torch's by {error:.2g} of its largest value, "
                f"more than {TOLERANCE}"
            )


def _key(estimator: BasePoseEstimator, form: Sequence[Any]) -> str:
    """Return a hash of all that an exported network depends on."""
    digest = hashlib.sha256(repr([__version__, torch.__version__, *form]).encode())
    for name, value in sorted(estimator.state_dict().items()):
        digest.update(name.encode())
        content = value.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
        digest.update(memoryview(content.numpy()))
    return digest.hexdigest()[:32]
