"""Locks between processes."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from raypose.weights.file_lock import file_lock


def test_holders_take_turns_and_leave_nothing(tmp_path: Path) -> None:
    path = tmp_path / "file.lock"
    inside, most, waits = 0, 0, 0

    def wait() -> None:
        nonlocal waits
        waits += 1

    def work() -> None:
        nonlocal inside, most
        with file_lock(path, wait):
            inside += 1
            most = max(most, inside)
            threading.Event().wait(0.02)
            inside -= 1

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
    assert waits >= 1
    assert list(tmp_path.iterdir()) == []


def test_an_error_inside_gives_the_lock_back(tmp_path: Path) -> None:
    path = tmp_path / "file.lock"
    with pytest.raises(ZeroDivisionError), file_lock(path, pytest.fail):
        raise ZeroDivisionError
    with file_lock(path, pytest.fail):
        assert path.is_file()
