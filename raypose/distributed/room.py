"""How many workers the nodes of a cluster have room for.

What a worker owns lies on one node: two nodes with a free CPU each have no room for a worker of
two, and Ray would wait for such a node without a word.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

Resources = Mapping[str, float]
# Ray counts resources in such parts.
_UNIT = 1e-4


@dataclass(frozen=True, kw_only=True)
class NodeGroup:
    """Nodes that are alike.

    Attributes:
        resources: what each of them has, by Ray's names: `CPU`, `GPU`, `memory` and own ones.
        count: how many there are or may be; may be infinite where an autoscaler starts them.
    """

    resources: Resources
    count: float

    def room(self, bundle: Resources) -> int:
        """Return how many bundles fit on one of the nodes."""
        shares = [
            self.resources.get(name, 0.0) / amount for name, amount in bundle.items() if amount > 0
        ]
        return int(min(shares, default=math.inf) + _UNIT) if shares else 1


def room_for(bundle: Resources, groups: Sequence[NodeGroup], strategy: str) -> float:
    """Return how many workers have room at the same time.

    Args:
        bundle: what each of them owns.
        groups: the nodes.
        strategy: `placement_strategy` of Ray.
    """
    fits = [(group.room(bundle), group.count) for group in groups]
    if strategy == "STRICT_PACK":
        return max((room for room, count in fits if count), default=0)
    if strategy == "STRICT_SPREAD":
        return sum(count for room, count in fits if room)
    return sum(room * count for room, count in fits if room)


def cpu_shares(groups: Sequence[NodeGroup], most: float, num_workers: int) -> Iterator[float]:
    """Yield CPUs for each worker that fill nodes, from `most` down; rounded to what Ray counts."""
    shares = {most}
    for cpus in {group.resources.get("CPU", 0.0) for group in groups}:
        shares.update(cpus / n for n in range(1, num_workers + 1) if 0 < cpus / n < most)
    for share in sorted(shares, reverse=True):
        yield round(math.floor(share / _UNIT + _UNIT) * _UNIT, 4)
