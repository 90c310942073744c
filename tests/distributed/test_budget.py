"""Who gets which CPUs."""

from __future__ import annotations

import pytest

from raypose.distributed.budget import CpuBudget
from raypose.errors import RayposeError


@pytest.mark.parametrize(
    ("workers", "total", "wanted", "feeds", "expected"),
    [
        # A laptop: workers share what is left beside the loading tasks.
        (1, 2.0, None, True, (1.0, 1.0, 2)),
        (2, 2.0, None, True, (0.5, 0.5, 1)),
        (2, 2.0, None, False, (1.0, 0.0, 1)),
        (4, 2.0, None, True, (0.25, 0.25, 1)),
        (1, 1.0, None, True, (0.5, 0.5, 1)),
        # A large node: loading gets what computing does not need.
        (2, 16.0, None, True, (1.0, 7.0, 8)),
        (2, 16.0, 4.0, True, (4.0, 4.0, 4)),
        (2, 16.0, 7.5, True, (7.5, 0.5, 7)),
        (2, 16.0, 8.0, False, (8.0, 0.0, 8)),
        (2, 16.0, 0.5, True, (0.5, 7.5, 1)),
    ],
)
def test_plan(
    workers: int,
    total: float,
    wanted: float | None,
    feeds: bool,
    expected: tuple[float, float, int],
) -> None:
    budget = CpuBudget.plan(workers, total, setting="key", wanted=wanted, feeds=feeds)
    assert (budget.worker_cpus, budget.data_cpus, budget.threads) == expected
    assert workers * (budget.worker_cpus + budget.data_cpus) <= total
    assert budget.data_cpus > 0 or not feeds


def test_a_config_that_leaves_nothing_to_loading() -> None:
    with pytest.raises(
        RayposeError,
        match=r"^annotate.num_cpus: 2 processes with 2 CPUs each need 4, the cluster has 4; "
        r"at most 1.5 each with one left for the tasks that load data$",
    ):
        CpuBudget.plan(2, 4.0, setting="annotate.num_cpus", wanted=2.0)


def test_a_config_that_needs_more_than_there_is() -> None:
    with pytest.raises(RayposeError, match=r"need 6, the cluster has 4; at most 2 each$"):
        CpuBudget.plan(2, 4.0, setting="key", wanted=3.0, feeds=False)
