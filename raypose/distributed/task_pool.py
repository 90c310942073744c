"""`TaskPool`: functions that run as Ray tasks, on CPUs of any node, behind Python's `Executor`."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

import cv2
import ray


class TaskPool(Executor):
    """Run each function as a task of one CPU, wherever the cluster has one free.

    Tasks of a node that is lost run again on another, so functions have to be repeatable.
    """

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Start a function; what it raises comes back as what it is.

        Args:
            fn: travels, and so do its arguments and what it returns.
            *args: of the function.
            **kwargs: of the function.
        """
        return _call.remote(fn, args, kwargs).future()


@ray.remote(num_cpus=1, max_retries=-1, scheduling_strategy="SPREAD")
def _call(fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    cv2.setNumThreads(1)
    return fn(*args, **kwargs)
