"""Whatever stops a job and wherever: started again it ends with the rows of one undisturbed run."""

from __future__ import annotations

import errno
import json
import os
import resource
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from raypose.distributed.annotate import annotate
from raypose.errors import DataError, RayposeError
from raypose.inference.annotation import storage
from raypose.inference.annotation.job import AnnotationJob
from raypose.inference.annotation.output import MANIFEST
from raypose.inference.annotation.parts import list_parts, read_annotations
from raypose.inference.annotation.table import Row
from tests.distributed.conftest import Jobs


class Killed(BaseException):
    """Stands for the end of the process: nothing of the job may catch it."""


class Killer:
    """Ends the process when a function is called for the n-th time, before or after it works."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str) -> None:
        self._work: Callable[..., Any] = getattr(owner, name)
        self.calls = 0
        self._at: int | None = None
        self._after = False
        monkeypatch.setattr(owner, name, self)

    def at(self, call: int | None, after: bool = False) -> None:
        """Say at which call, counted from 0."""
        self.calls, self._at, self._after = 0, call, after

    def __call__(self, *given: Any, **named: Any) -> Any:
        number = self.calls
        self.calls += 1
        if number == self._at and not self._after:
            raise Killed
        answer = self._work(*given, **named)
        if number == self._at:
            raise Killed
        return answer


@pytest.fixture(params=["pictures", "video"])
def jobs(request: pytest.FixtureRequest, job: Jobs, tmp_path: Path) -> tuple[AnnotationJob, Path]:
    """A job of pictures or of a video, and the answers of the same job undisturbed."""
    source = request.getfixturevalue(request.param)
    annotate(job(source=source, out=tmp_path / "alone"))
    return job(source=source), tmp_path / "alone"


def rows_of(folder: str | Path) -> list[Row]:
    return list(read_annotations(folder))


def check_complete(job: AnnotationJob, alone: Path) -> None:
    assert rows_of(job.out) == rows_of(alone)
    assert list_parts(job.out) == list_parts(alone)
    # Nothing is left over, hidden or not.
    assert storage.list_files(job.out) == storage.list_files(alone)
    manifest, expected = (
        json.loads(storage.read_bytes(storage.join(folder, MANIFEST)))
        for folder in (job.out, alone)
    )
    assert manifest["complete"] is True
    for key in ("rows", "instances", "errors", "errors_by_reason", "parts", "fingerprint"):
        assert manifest[key] == expected[key]


@pytest.mark.parametrize(
    ("step", "after"), [("replace", False), ("replace", True), ("delete", True)]
)
def test_a_kill_at_each_step_of_each_write(
    jobs: tuple[AnnotationJob, Path], monkeypatch: pytest.MonkeyPatch, step: str, after: bool
) -> None:
    job, alone = jobs
    killer = Killer(monkeypatch, storage if step == "delete" else os, step)
    annotate(job)
    killer.at(None)
    annotate(job, overwrite=True)
    count = killer.calls
    assert count > 3
    for call in range(count):
        killer.at(call, after)
        with pytest.raises(Killed):
            annotate(job, overwrite=True)
        killer.at(None)
        if list_parts(job.out) and not storage.exists(storage.join(job.out, MANIFEST)):
            # Killed while it made way: what is left is not known any more, and not mixed.
            with pytest.raises(RayposeError, match="unknown origin"):
                annotate(job)
            annotate(job, overwrite=True)
        else:
            annotate(job)
        check_complete(job, alone)


def test_torn_temporary_files_are_removed(jobs: tuple[AnnotationJob, Path]) -> None:
    job, alone = jobs
    annotate(job)
    for name in storage.list_files(job.out):
        path = Path(job.out, name)
        (path.parent / f".{path.name}.7-0a1b.partial").write_bytes(path.read_bytes()[:100])
    for name in list_parts(job.out)[1:]:
        Path(job.out, name).unlink()
    annotate(job)
    check_complete(job, alone)


@pytest.fixture
def little_room() -> Iterator[Callable[[int], None]]:
    """Let no file grow larger than a number of bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def limit(size: int) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))

    yield limit
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_files_that_may_not_grow(
    jobs: tuple[AnnotationJob, Path], little_room: Callable[[int], None]
) -> None:
    job, alone = jobs
    annotate(job)
    sizes = [Path(job.out, name).stat().st_size for name in list_parts(job.out)]
    Path(job.out, list_parts(job.out)[0]).unlink()
    # The manifest fits, a part does not.
    manifest = Path(job.out, MANIFEST).stat().st_size
    if min(sizes) < manifest:
        pytest.skip("the parts are smaller than the manifest")
    little_room(manifest + 100)
    with pytest.raises(DataError, match=r"part-.*: File too large"):
        annotate(job)
    little_room(resource.RLIM_INFINITY)
    annotate(job)
    check_complete(job, alone)


@pytest.mark.parametrize("fails", range(5))
def test_a_full_disk(
    jobs: tuple[AnnotationJob, Path], monkeypatch: pytest.MonkeyPatch, fails: int
) -> None:
    job, alone = jobs
    synced = 0

    def fsync(file: int) -> None:
        # Where a disk is full is often known only here.
        nonlocal synced
        synced += 1
        if synced > 2 * fails:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        with pytest.raises(DataError, match="No space left on device"):
            annotate(job)
    assert not [name for name in storage.list_files(job.out) if name.endswith(".partial")]
    annotate(job)
    check_complete(job, alone)


def test_a_part_that_is_gone_is_no_complete_job(job: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    from raypose.distributed import annotate as module

    monkeypatch.setattr(module, "run_in_process", lambda job, tasks: iter_nothing())
    with pytest.raises(RayposeError, match=r"3 parts are missing, such as part-000000-.*start"):
        annotate(job())
    assert not json.loads((Path(job().out) / MANIFEST).read_text())["complete"]


def iter_nothing() -> Iterator[Any]:
    yield from ()


@pytest.mark.parametrize("after", [False, True])
def test_a_kill_at_each_write_to_a_store(
    job: Jobs,
    video: Path,
    tmp_path: Path,
    bucket: str,
    monkeypatch: pytest.MonkeyPatch,
    after: bool,
) -> None:
    annotate(job(source=video, out=tmp_path / "alone"))
    killer = Killer(monkeypatch, storage, "write_whole")
    for call in range(6):
        stored = job(source=video, out=f"{bucket}/{call}")
        killer.at(call, after)
        with pytest.raises(Killed):
            annotate(stored)
        killer.at(None)
        annotate(stored)
        check_complete(stored, tmp_path / "alone")


def test_a_store_that_breaks_off_an_upload(
    job: Jobs, video: Path, tmp_path: Path, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from raypose.inference.annotation import parts

    annotate(job(source=video, out=tmp_path / "alone"))
    stored = job(source=video, out=f"{bucket}/poses")

    def broken(*given: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(parts, "to_table", broken)
        with pytest.raises(Killed):
            annotate(stored)
    assert storage.list_files(stored.out) == [MANIFEST]
    annotate(stored)
    check_complete(stored, tmp_path / "alone")
