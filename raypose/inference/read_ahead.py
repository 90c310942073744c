"""Reading ahead: pictures are decoded in a thread while the models work on earlier ones."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

Item = TypeVar("Item")
_PATIENCE = 5.0


def read_ahead(items: Iterable[Item], size: int, newest_only: bool = False) -> Iterator[Item]:
    """Yield items that a thread takes from their source ahead of time.

    An error of the source comes where its item would. The thread ends with the source, or once
    the iterator is closed or forgotten.

    Args:
        items: where they come from; nobody else may use it meanwhile.
        size: most items that wait.
        newest_only: let the oldest waiting item go for a new one, rather than make the source
            wait: for what happens whether one looks or not.
    """
    queue: _Queue[Item] = _Queue(size, newest_only)
    thread = threading.Thread(target=queue.fill, args=(items,), name="read-ahead", daemon=True)
    thread.start()
    try:
        yield from queue.items()
    finally:
        queue.close()
        # A camera that hangs cannot be stopped: its thread then ends with the process.
        thread.join(_PATIENCE)


class _Queue(Generic[Item]):
    def __init__(self, size: int, newest_only: bool) -> None:
        self._size = size
        self._newest_only = newest_only
        self._waiting: deque[Item] = deque()
        self._changed = threading.Condition()
        self._ended = self._closed = False
        self._error: Exception | None = None

    def fill(self, items: Iterable[Item]) -> None:
        """Put items in until there are no more or nobody wants them."""
        iterator = iter(items)
        try:
            for item in iterator:
                if not self._put(item):
                    break
        except Exception as error:
            self._error = error
        finally:
            # In this thread: a generator cannot be closed from another while it runs.
            close = getattr(iterator, "close", None)
            if close is not None:
                close()
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def items(self) -> Iterator[Item]:
        """Yield the items as they come."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._ended)
                if not self._waiting:
                    break
                item = self._waiting.popleft()
                self._changed.notify_all()
            yield item
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """Let the thread end and forget what waits."""
        with self._changed:
            self._closed = True
            self._waiting.clear()
            self._changed.notify_all()

    def _put(self, item: Item) -> bool:
        """Add an item; returns whether more are wanted."""
        with self._changed:
            if self._newest_only:
                while len(self._waiting) >= self._size:
                    self._waiting.popleft()
            self._changed.wait_for(lambda: len(self._waiting) < self._size or self._closed)
            if not self._closed:
                self._waiting.append(item)
                self._changed.notify_all()
            return not self._closed
