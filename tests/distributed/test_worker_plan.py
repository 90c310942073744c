"""What each training worker owns on clusters of several nodes."""

from __future__ import annotations

import math
from typing import Any

import pytest

from raypose.config.sections import ClusterSection
from raypose.distributed.room import NodeGroup, room_for
from raypose.distributed.session import ClusterSize
from raypose.distributed.worker_plan import plan_workers
from raypose.errors import RayposeError


def size(*nodes: tuple[int, float, float]) -> ClusterSize:
    """Make a cluster of nodes: how many, CPUs, GPUs."""
    groups = tuple(
        NodeGroup(resources={"CPU": cpus, "GPU": gpus}, count=n) for n, cpus, gpus in nodes
    )
    return ClusterSize(
        cpus=sum(n * cpus for n, cpus, _ in nodes),
        gpus=sum(n * gpus for n, _, gpus in nodes),
        nodes=groups,
    )


def section(**options: Any) -> ClusterSection:
    return ClusterSection.model_validate(options)


@pytest.mark.parametrize(
    ("bundle", "strategy", "expected"),
    [
        # Two nodes of 3 CPUs and one of 8 with 2 GPUs.
        ({"CPU": 1.0}, "PACK", 14),
        ({"CPU": 2.0}, "PACK", 1 + 1 + 4),
        ({"CPU": 1 / 3}, "SPREAD", 9 + 9 + 24),
        ({"CPU": 2.0, "GPU": 1.0}, "PACK", 2),
        ({"CPU": 5.0, "GPU": 1.0}, "PACK", 1),
        ({"CPU": 2.0}, "STRICT_PACK", 4),
        ({"CPU": 2.0}, "STRICT_SPREAD", 3),
        ({"CPU": 4.0}, "STRICT_SPREAD", 1),
        ({"CPU": 9.0}, "PACK", 0),
        ({"CPU": 1.0, "arm": 1.0}, "PACK", 0),
    ],
)
def test_room(bundle: dict[str, float], strategy: str, expected: int) -> None:
    assert room_for(bundle, size((2, 3, 0), (1, 8, 2)).nodes, strategy) == expected


def test_room_where_an_autoscaler_has_no_limit() -> None:
    groups = [NodeGroup(resources={"CPU": 4.0}, count=math.inf)]
    assert room_for({"CPU": 2.0}, groups, "PACK") == math.inf
    assert room_for({"CPU": 8.0}, groups, "PACK") == 0


@pytest.mark.parametrize(
    ("options", "nodes", "feeds", "cpus", "data"),
    [
        # As on one node: a CPU for each worker, the rest for the tasks.
        ({"num_workers": 2}, [(1, 16, 0)], True, 1.0, 7.0),
        ({"num_workers": 2}, [(1, 2, 0)], True, 0.5, 0.5),
        # (4 - 1) / 5 = 0.6 has room on a node of one CPU once, so four times: half a CPU it is.
        ({"num_workers": 5}, [(4, 1, 0)], True, 0.5, 0.3),
        # The CPUs of the other nodes do not help the four GPUs of this one, which has two.
        ({"num_workers": 4}, [(1, 2, 4), (2, 50, 0)], True, 0.5, 25.0),
        # A range is planned for its smallest number, which gets a whole CPU each.
        ({"num_workers": [1, 8]}, [(1, 2, 0)], True, 1.0, 1.0),
        ({"num_workers": [2, 8]}, [(1, 16, 0)], True, 1.0, 7.0),
        ({"num_workers": [4, 8]}, [(1, 2, 0)], False, 0.5, 0.0),
        ({"num_workers": [1, 2], "resources_per_worker": {"CPU": 4.0}}, [(1, 8, 0)], True, 4, 4),
    ],
)
def test_cpus(
    options: dict[str, Any],
    nodes: list[tuple[int, float, float]],
    feeds: bool,
    cpus: float,
    data: float,
) -> None:
    plan = plan_workers(section(**options), size(*nodes), feeds)
    assert plan.resources["CPU"] == plan.budget.worker_cpus == pytest.approx(cpus)
    assert plan.budget.data_cpus == pytest.approx(data)


@pytest.mark.parametrize(
    ("num_workers", "gpus", "use_gpu", "expected"),
    [
        (2, 2, "auto", True),
        (2, 1, "auto", False),
        ([1, 4], 1, "auto", True),
        ([2, 4], 1, "auto", False),
        ([1, 4], 4, False, False),
        ([1, 4], 2, True, True),
    ],
)
def test_gpus(num_workers: Any, gpus: int, use_gpu: Any, expected: bool) -> None:
    cluster = section(num_workers=num_workers, use_gpu=use_gpu)
    plan = plan_workers(cluster, size((gpus, 8, 1), (1, 8, 0)), feeds=False)
    assert plan.use_gpu is expected
    assert plan.resources.get("GPU", 0) == expected


def test_fewer_gpus_than_the_smallest_number_of_workers() -> None:
    with pytest.raises(RayposeError, match=r"^cluster.use_gpu: 3 workers need a GPU each, the clu"):
        plan_workers(section(num_workers=[3, 4], use_gpu=True), size((2, 8, 1)), feeds=False)


def test_workers_that_no_node_has_room_for() -> None:
    # 16 CPUs altogether, but none of the nodes has five.
    cluster = section(num_workers=2, resources_per_worker={"CPU": 5.0})
    with pytest.raises(
        RayposeError,
        match=r"^cluster.resources_per_worker: 2 workers need \{CPU: 5\} each, on one node; there "
        r"is room for 0 on the nodes of the cluster: 4 x \{CPU: 4\}$",
    ):
        plan_workers(cluster, size((4, 4, 0)), feeds=True)


def test_a_placement_that_nodes_have_no_room_for() -> None:
    cluster = section(num_workers=3, placement_strategy="STRICT_SPREAD")
    with pytest.raises(RayposeError, match=r"\(cluster.placement_strategy: STRICT_SPREAD\)"):
        plan_workers(cluster, size((2, 8, 0)), feeds=True)


@pytest.mark.parametrize(
    ("workers", "total", "data", "threads"),
    [
        (1, 4.0, 3.0, 4),
        (2, 4.0, 1.0, 2),
        # They own all of it: data tasks reserve nothing then.
        (4, 4.0, 0.0, 1),
        # A node was lost, and its resources are not yet missed.
        (4, 3.0, 0.0, 1),
        (4, 16.0, 3.0, 4),
    ],
)
def test_a_budget_follows_the_number_of_workers(
    workers: int, total: float, data: float, threads: int
) -> None:
    planned = plan_workers(section(num_workers=[1, 4]), size((1, 4, 0)), feeds=True).budget
    budget = planned.spread_over(workers, total)
    assert (budget.worker_cpus, budget.data_cpus, budget.threads) == (1.0, data, threads)


def test_threads_that_were_asked_for_do_not_change() -> None:
    cluster = section(num_workers=[1, 4], resources_per_worker={"CPU": 3.0})
    planned = plan_workers(cluster, size((4, 4, 0)), feeds=True).budget
    assert planned.spread_over(4, 16.0).threads == 3
