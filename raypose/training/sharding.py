"""Weights spread over the processes of a run by torch's FSDP2, and put together again.

Each process holds a part of every parameter, of its gradient and of the optimizer's momenta. The
layers of the backbone are put together one after the other while the network runs; what is left is
together all the time. Checkpoints hold whole tensors, so a run may go on with another number of
processes, or without FSDP2.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import FSDPModule, fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor, distribute_tensor

from raypose.errors import ConfigError
from raypose.models.estimators.base import BasePoseEstimator

# Parameters of a layer that is worth an exchange of its own.
_WORTH_A_UNIT = 500_000


def shard(estimator: BasePoseEstimator, mesh: DeviceMesh, least: int = _WORTH_A_UNIT) -> None:
    """Spread an estimator over the processes of a mesh, in place.

    Args:
        estimator: on its device; the same on every process.
        mesh: of one dimension.
        least: parameters of a layer of the backbone that is put together on its own.

    Raises:
        ConfigError: for a parameter that cannot be spread.
    """
    single = [name for name, value in estimator.named_parameters() if value.ndim == 0]
    if single:
        raise ConfigError(
            f"cluster.strategy: fsdp2 cannot spread '{single[0]}', a single number, over "
            "processes; use ddp for this model"
        )
    # It asks for parameters in their plain layout. torch.nn declares no overload for that alone.
    estimator.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    for unit in _units(getattr(estimator, "backbone", nn.Module()), least):
        fully_shard(unit, mesh=mesh)
    fully_shard(estimator, mesh=mesh)
    for name in ("loss", "predict"):
        register_fsdp_forward_method(estimator, name)


@contextlib.contextmanager
def put_together(model: nn.Module) -> Iterator[None]:
    """Hold the whole weights on every process within the block, so that each may run it alone.

    Processes that evaluate have unequal numbers of batches, and cannot meet in each of them.
    """
    units = [module for module in model.modules() if isinstance(module, FSDPModule)]
    for unit in units:
        unit.set_reshard_after_forward(False, recurse=False)
        unit.unshard()
    try:
        yield
    finally:
        for unit in units:
            unit.reshard()
            # The outermost one stays together from the forward to the backward pass.
            unit.set_reshard_after_forward(unit is not model, recurse=False)


def sync_gradients(model: nn.Module, on: bool) -> None:
    """Say whether the processes exchange the gradients of the next backward pass."""
    if isinstance(model, FSDPModule):
        model.set_requires_gradient_sync(on)


def ours(tensor: Tensor) -> Tensor:
    """Return the part of a tensor that this process holds, as a view; all of it unless spread."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def whole(tensor: Tensor) -> Tensor:
    """Return all of a tensor that may be spread; every process calls it alike."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def all_whole(tree: Any) -> Any:
    """Return nested mappings and lists with whole tensors; every process calls it alike.

    Tensors that were spread come back in main memory: those of a model at once are many.
    """
    if isinstance(tree, DTensor):
        return tree.full_tensor().cpu()
    if isinstance(tree, Mapping):
        return {key: all_whole(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [all_whole(value) for value in tree]
    return tree


def spread_like(value: Tensor, like: Tensor) -> Tensor:
    """Return a whole tensor spread as another one is; as it is if that one is not spread."""
    if not isinstance(like, DTensor):
        return value
    return distribute_tensor(
        value.to(like.device), like.device_mesh, like.placements, src_data_rank=None
    )


def spread_weights(values: Mapping[str, Tensor], model: nn.Module) -> dict[str, Tensor]:
    """Return whole weights spread as those of a model with the same names."""
    theirs = model.state_dict()
    return {
        name: spread_like(value, theirs[name]) if name in theirs else value
        for name, value in values.items()
    }


def spread_optimizer(content: dict[str, Any], optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """Return the state of an optimizer, of whole tensors, as another one takes it."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    state = {
        index: {
            name: spread_like(value, parameters[index])
            if isinstance(value, Tensor) and value.shape == parameters[index].shape
            else value
            for name, value in values.items()
        }
        for index, values in content["state"].items()
        if index < len(parameters)
    }
    # What kernels there are depends on where the parameters are.
    ours = optimizer.param_groups[0]
    kernels = {name: ours[name] for name in ("fused", "foreach") if name in ours}
    groups = [{**group, **kernels} for group in content["param_groups"]]
    return {**content, "state": state, "param_groups": groups}


def _units(module: nn.Module, least: int) -> Iterator[nn.Module]:
    """Yield the members of lists and sequences that are large enough, none inside another."""
    for child in module.children():
        listed = isinstance(module, (nn.ModuleList, nn.Sequential))
        runs = not isinstance(child, (nn.ModuleList, nn.ModuleDict))
        if listed and runs and sum(p.numel() for p in child.parameters()) >= least:
            yield child
        else:
            yield from _units(child, least)
