"""Images in tar files, the shards of WebDataset among them: members in their order.

A plain local tar is cut by its members, whose headers are gone through when the work is planned.
One that is compressed or on an object store is a shard as a whole and read as a stream.
"""

from __future__ import annotations

import lzma
import tarfile
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from tarfile import HeaderError, ReadError
from typing import Any

from raypose.errors import DataError
from raypose.inference.annotation import storage
from raypose.inference.annotation.inputs.decoding import in_order, read_picture, unreadable
from raypose.inference.annotation.shards import Picture, Shard
from raypose.ops.image_files import IMAGE_SUFFIXES

ARCHIVE_SUFFIXES = frozenset({".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz"})

_BROKEN = (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, OSError, DataError)
_BLOCK = 1 << 20
_END: type[Exception] = tarfile.EOFHeaderError  # type: ignore[attr-defined]


@dataclass(frozen=True, kw_only=True)
class ArchiveShard(Shard):
    """Some images of the archive `root`.

    Attributes:
        start: byte at which the header of the first one is.
        count: how many there are; None for all that follow.
        reason: why the archive ends here; one more row says so.
    """

    start: int = 0
    count: int | None = None
    reason: str | None = None

    def __len__(self) -> int:
        return (self.count or 0) + (self.reason is not None)

    def read(self, pool: Executor, ahead: int) -> Iterator[Picture]:
        """Yield the images; see `Shard.read`."""
        return in_order(pool, self._reads(), ahead)

    def _reads(self) -> Iterator[Callable[[], Picture]]:
        archive = storage.shown(self.root)
        # Named like its pictures, where they carry its name.
        broken = self.prefix.rstrip("/") or storage.split(self.root)[1]
        streamed = self.count is None
        try:
            with storage.open_input(self.root) as file:
                if not streamed:
                    file.seek(self.start)
                for tar, member in islice(_images_in(file, streamed), self.count):
                    name = member.name.removeprefix("./")
                    content = _content_of(tar, member, f"{archive}: {name}")
                    yield partial(read_picture, self.prefix + name, f"{archive}: {name}", content)
        except storage.StorageError:
            raise
        except _BROKEN as error:
            yield partial(unreadable, broken, _reason_of(archive, error))
        if self.reason is not None:
            yield partial(unreadable, broken, self.reason)


def plan_archive(location: str, prefix: str, shard_size: int) -> list[ArchiveShard]:
    """Cut a tar file into shards.

    Args:
        location: the file.
        prefix: what the names of its members begin with in the answers.
        shard_size: images of one shard.
    """
    if not (storage.is_local(location) and location.lower().endswith(".tar")):
        return [ArchiveShard(root=location, prefix=prefix)]
    starts: list[int] = []
    count = 0
    reason = None
    try:
        with storage.open_input(location) as file:
            for _, member in _images_in(file, streamed=False):
                if count % shard_size == 0:
                    starts.append(member.offset)
                count += 1
    except _BROKEN as error:
        reason = _reason_of(location, error)
        starts = starts or [0]
    return [
        ArchiveShard(
            root=location,
            prefix=prefix,
            start=start,
            count=min(shard_size, count - number * shard_size),
            reason=reason if start == starts[-1] else None,
        )
        for number, start in enumerate(starts)
    ]


class _Member(tarfile.TarInfo):
    """A member that says so where its header is cut off or damaged.

    `TarFile` takes that for the end of the archive, and what follows would be missed.
    """

    @classmethod
    def fromtarfile(cls, tarfile: tarfile.TarFile) -> _Member:
        try:
            return super().fromtarfile(tarfile)  # type: ignore[return-value]
        except HeaderError as error:
            if isinstance(error, _END) or tarfile.offset == 0:
                raise
            raise ReadError(f"no end mark but {error} at byte {tarfile.offset}") from error


def _images_in(file: Any, streamed: bool) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
    with (
        tarfile.open(fileobj=file, mode="r|*", bufsize=_BLOCK, tarinfo=_Member)
        if streamed
        else tarfile.open(fileobj=file, mode="r:", tarinfo=_Member)
    ) as tar:
        while (member := tar.next()) is not None:
            tar.members = []  # type: ignore[attr-defined]  # it would remember all of them
            if member.isreg() and member.name.lower().endswith(tuple(IMAGE_SUFFIXES)):
                yield tar, member


def _content_of(tar: tarfile.TarFile, member: tarfile.TarInfo, name: str) -> Callable[[], bytes]:
    """Return what gives the bytes of a member, which are read now; it raises if they are cut."""
    stream = tar.extractfile(member)
    assert stream is not None
    content = stream.read()
    if len(content) == member.size:
        return lambda: content

    def cut() -> bytes:
        raise DataError(f"{name}: the archive ends in it")

    return cut


def _reason_of(archive: str, error: Exception) -> str:
    if isinstance(error, DataError):
        return str(error)
    return f"{archive}: the archive cannot be read on ({error or type(error).__name__})"
