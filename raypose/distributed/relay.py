"""Log lines of a worker, shown where the command runs.

Ray can forward what workers print, but mixes it with the chatter of its own processes.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterator

from ray.util.queue import Empty, Queue

logger = logging.getLogger("raypose")


@contextlib.contextmanager
def show_worker_logs() -> Iterator[Queue]:
    """Log on this process what workers put into the queue, for as long as the block lasts."""
    queue = Queue(actor_options={"num_cpus": 0})
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
