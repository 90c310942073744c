from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from raypose.errors import DataError
from raypose.inference.read_ahead import read_ahead


def wait_until(condition: threading.Event) -> None:
    assert condition.wait(5)


def test_everything_comes_in_order() -> None:
    assert list(read_ahead(range(100), 3)) == list(range(100))
    assert list(read_ahead([], 3)) == []


def test_it_reads_ahead_but_not_too_far() -> None:
    read: list[int] = []
    full = threading.Event()

    def source() -> Iterator[int]:
        for number in range(50):
            read.append(number)
            if number == 4:
                full.set()
            yield number

    items = read_ahead(source(), 3)
    assert next(items) == 0
    # One was taken, three wait, one is in the thread's hand.
    wait_until(full)
    time.sleep(0.05)
    assert read == [0, 1, 2, 3, 4]
    assert list(items) == list(range(1, 50))


def test_an_error_comes_where_its_item_would() -> None:
    def source() -> Iterator[int]:
        yield 1
        yield 2
        raise DataError("the disk is gone")

    items = read_ahead(source(), 8)
    assert [next(items), next(items)] == [1, 2]
    with pytest.raises(DataError, match="the disk is gone"):
        next(items)


def test_a_reader_that_leaves_closes_the_source() -> None:
    closed = threading.Event()

    def source() -> Iterator[int]:
        try:
            number = 0
            while True:
                yield number
                number += 1
        finally:
            closed.set()

    items = read_ahead(source(), 2)
    next(items)
    items.close()  # type: ignore[attr-defined]
    assert closed.is_set()
    assert not any(thread.name == "read-ahead" for thread in threading.enumerate())


def test_what_does_not_wait_is_seen_as_it_is_now() -> None:
    shown, looked = threading.Event(), threading.Event()

    def camera() -> Iterator[int]:
        yield 0
        wait_until(looked)
        yield from range(1, 10)
        shown.set()
        yield 10

    items = read_ahead(camera(), 1, newest_only=True)
    assert next(items) == 0
    looked.set()
    wait_until(shown)
    time.sleep(0.05)
    assert list(items) == [10]
