"""What goes between a driver and its workers while they train: log lines, the wish to stop.

Ray can forward what workers print, but mixes it with the chatter of its own processes.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterator

import ray
from ray.exceptions import RayActorError
from ray.util.queue import Empty, Queue
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from raypose.training.interruption import stop_on_sigterm

# Seconds after which a wish to stop has arrived.
_STOP_DELAY = 0.5

logger = logging.getLogger("raypose")


def driver_queue() -> Queue:
    """Return a queue that lives on this node, whatever becomes of the nodes of the workers."""
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    return Queue(actor_options={"num_cpus": 0, "scheduling_strategy": here})


@contextlib.contextmanager
def show_worker_logs() -> Iterator[Queue]:
    """Log on this process what workers put into the queue, for as long as the block lasts."""
    queue = driver_queue()
    over = threading.Event()

    def show() -> None:
        while True:
            try:
                logger.info(queue.get(timeout=0.5))
            except Empty:
                if over.is_set():
                    return

    thread = threading.Thread(target=show, name="worker logs", daemon=True)
    thread.start()
    try:
        yield queue
    finally:
        over.set()
        thread.join()
        queue.shutdown()


@contextlib.contextmanager
def stop_workers_on_sigterm() -> Iterator[Queue]:
    """Put the wish to stop into the queue when this process gets SIGTERM, within the block."""
    queue = driver_queue()
    over = threading.Event()

    def pass_on() -> None:
        while not over.is_set():
            if asked.wait(_STOP_DELAY):
                queue.put(None)
                return

    with stop_on_sigterm() as asked:
        thread = threading.Thread(target=pass_on, name="stop", daemon=True)
        thread.start()
        try:
            yield queue
        finally:
            over.set()
            thread.join()
            queue.shutdown()


def watch_for_stop(queue: Queue) -> threading.Event:
    """Return an event that is set once the driver wishes to stop."""
    asked, idle = threading.Event(), threading.Event()

    def watch() -> None:
        # An actor that is gone is the driver's end, or the run's.
        with contextlib.suppress(RayActorError):
            while queue.empty():
                idle.wait(_STOP_DELAY)
            asked.set()

    threading.Thread(target=watch, name="stop", daemon=True).start()
    return asked


def send_logs(queue: Queue) -> None:
    """Send what raypose logs in this process, from the level of `info`, to the driver."""
    package = logging.getLogger("raypose")
    package.setLevel(logging.INFO)
    package.handlers = [_QueueHandler(queue)]
    package.propagate = False


class _QueueHandler(logging.Handler):
    def __init__(self, queue: Queue) -> None:
        super().__init__()
        self._queue = queue

    def emit(self, record: logging.LogRecord) -> None:
        # Not waited for: a slow driver must not hold up the training.
        actor = self._queue.actor
        assert actor is not None, "shut down before its workers"
        actor.put_nowait.remote(self.format(record))
