"""Several real training processes of one group on this machine, without Ray."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import torch
import torch.distributed
from torch.multiprocessing.spawn import spawn

from raypose.config import Config
from raypose.training.interruption import stop_on_sigterm
from raypose.training.launch import local_experiment
from raypose.training.loop import fit
from raypose.training.process_group import GroupRuntime


def in_processes(count: int, function: Callable[..., None], *arguments: Any) -> None:
    """Call a function of a module in each process of a group; an error of one is raised here."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    os.environ.update(GLOO_SOCKET_IFNAME="lo")
    spawn(_join, (count, port, function, arguments), nprocs=count)


def _join(
    rank: int, count: int, port: int, function: Callable[..., None], arguments: tuple[Any, ...]
) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        "gloo",
        f"tcp://127.0.0.1:{port}",
        rank=rank,
        world_size=count,
        timeout=timedelta(seconds=60),
    )
    try:
        function(*arguments)
    finally:
        torch.distributed.destroy_process_group()


def train_in_processes(
    config: Config,
    work_dir: Path,
    count: int,
    resume: bool = False,
    strategy: Literal["ddp", "fsdp2"] = "ddp",
) -> None:
    """Train in some processes; the work folder is as `train_locally` leaves it."""
    work_dir.mkdir(parents=True, exist_ok=True)
    in_processes(count, train_in_group, config.data, str(work_dir), resume, strategy)


def train_in_group(
    data: dict[str, Any], work_dir: str, resume: bool, strategy: Literal["ddp", "fsdp2"]
) -> None:
    """Train as one process of a group."""
    with stop_on_sigterm() as stop:
        runtime = GroupRuntime(Path(work_dir), "cpu", resume, stop, strategy)
        fit(local_experiment(Config.from_resolved(data), runtime), runtime)
