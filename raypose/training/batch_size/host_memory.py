"""How much memory of this machine is free."""

from __future__ import annotations

import math
from pathlib import Path

_MACHINE = Path("/proc/meminfo")
_GROUP = Path("/sys/fs/cgroup")


def free_memory(machine: Path = _MACHINE, group: Path = _GROUP) -> float:
    """Return the bytes that this process could still take, infinite where nothing says so.

    Args:
        machine: Linux' table of the memory of the machine.
        group: folder of the limits of a container.
    """
    return min(_of_machine(machine), _of_group(group))


def _of_machine(table: Path) -> float:
    try:
        lines = table.read_text(encoding="ascii").splitlines()
    except OSError:
        return math.inf
    sizes = dict(line.split(":", 1) for line in lines if ":" in line)
    available = sizes.get("MemAvailable")
    return math.inf if available is None else float(available.split()[0]) * 1024


def _of_group(folder: Path) -> float:
    try:
        limit = (folder / "memory.max").read_text(encoding="ascii").strip()
        used = (folder / "memory.current").read_text(encoding="ascii").strip()
    except OSError:
        return math.inf
    return math.inf if limit == "max" else max(0.0, float(limit) - float(used))
