"""Mistakes of the user under Ray's wrappers."""

from __future__ import annotations

import pytest
import ray
from ray.exceptions import RayTaskError
from ray.train import WorkerGroupError

from raypose.distributed.mistakes import find_mistake, mistakes_as_they_are
from raypose.errors import ConfigError, DataError


def test_a_mistake_is_found_under_what_wraps_it() -> None:
    mistake = DataError("broken.jpg: empty")
    task = RayTaskError("f", "Traceback ...", mistake)
    assert find_mistake(mistake) is mistake
    assert find_mistake(task) is mistake
    assert find_mistake(task.as_instanceof_cause()) is mistake
    group = WorkerGroupError("two workers", {0: RuntimeError("connection closed"), 1: task})
    assert find_mistake(group) is mistake
    outer = RuntimeError("the iterator failed")
    outer.__cause__ = task
    assert find_mistake(outer) is mistake


def test_anything_else_stays_what_it_is() -> None:
    error = RuntimeError("out of memory")
    error.__cause__ = error  # also in a circle
    assert find_mistake(error) is None
    with pytest.raises(RuntimeError, match="out of memory"), mistakes_as_they_are():
        raise error


@pytest.mark.usefixtures("ray_session")
def test_a_mistake_in_a_task_comes_back_without_a_trace() -> None:
    @ray.remote(num_cpus=0)
    def task() -> None:
        raise ConfigError(["a.yaml:1: one", "a.yaml:2: two"])

    with pytest.raises(ConfigError) as caught, mistakes_as_they_are():
        ray.get(task.remote())
    assert type(caught.value) is ConfigError
    assert caught.value.problems == ["a.yaml:1: one", "a.yaml:2: two"]
