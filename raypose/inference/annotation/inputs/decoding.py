"""Decode pictures in threads, in order, a few ahead of who takes them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future

from raypose.errors import DataError
from raypose.inference.annotation.shards import Boxes, Picture
from raypose.inference.annotation.storage import StorageError
from raypose.inference.frame import Frame
from raypose.ops.image_files import decode_image


def in_order(
    pool: Executor, reads: Iterable[Callable[[], Picture]], ahead: int
) -> Iterator[Picture]:
    """Yield what reads return, in their order.

    Args:
        pool: runs the reads.
        reads: each returns a picture.
        ahead: most pictures that wait.
    """
    waiting: deque[Future[Picture]] = deque()
    for read in reads:
        waiting.append(pool.submit(read))
        if len(waiting) > ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def read_picture(
    source: str, name: str, content: Callable[[], bytes], boxes: Boxes | None = None
) -> Picture:
    """Return a picture from the bytes of its file; whatever is wrong with them is its `error`.

    Args:
        source: what it is called in the answers.
        name: what it is called in messages.
        content: returns the bytes.
        boxes: that came with it.

    Raises:
        StorageError: if the store does not answer.
    """
    try:
        image = decode_image(content(), name=name)
    except StorageError:
        raise
    except DataError as error:
        return unreadable(source, str(error), boxes=boxes)
    return Picture(Frame(source=as_text(source), image=image), boxes)


def unreadable(source: str, reason: str, index: int = 0, boxes: Boxes | None = None) -> Picture:
    """Return the picture of which nothing is known but why."""
    return Picture(Frame(source=as_text(source), index=index, error=as_text(reason)), boxes)


def as_text(name: str) -> str:
    r"""Return the name of a file as text that every table takes; odd bytes become `\xff`."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
