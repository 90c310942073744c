"""`ShardWriter`: many image files into a few Parquet files, each image one read away.

Images lie in them as they are, neither compressed nor in a dictionary, so that any reader of
Parquet reads them, and who knows the place of one reads nothing else.
"""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from raypose.ops.packed_files import packed_address

_SCHEMA = pa.schema(
    [pa.field("path", pa.string(), nullable=False), pa.field("image", pa.binary(), nullable=False)]
)
# Bytes of a row group; readers of the whole file hold one of them.
_GROUP = 16 << 20


@dataclass(frozen=True, slots=True)
class _Image:
    path: str
    data: bytes


class ShardWriter:
    """Writes `images-00000.parquet` and so on.

    Args:
        folder: that they are written into.
        shard_bytes: of images after which a file is full.

    Attributes:
        addresses: of each image so far that is in a finished file, in the order they came, from
            the folder on.
        size: bytes of images so far.
    """

    def __init__(self, folder: Path, shard_bytes: int) -> None:
        self.addresses: list[str] = []
        self.size = 0
        self._folder = folder
        self._shard_bytes = shard_bytes
        self._waiting: list[_Image] = []
        self._waiting_bytes = 0
        self._count = 0

    def add(self, path: str, data: bytes) -> None:
        """Add an image.

        Args:
            path: what it was called.
            data: content of its file.
        """
        if self._waiting and self._waiting_bytes + len(data) > self._shard_bytes:
            self.flush()
        self._waiting.append(_Image(path, data))
        self._waiting_bytes += len(data)
        self.size += len(data)

    def flush(self) -> None:
        """Finish the file that is being filled."""
        if not self._waiting:
            return
        name = f"images-{self._count:05d}.parquet"
        path = self._folder / name
        with pq.ParquetWriter(
            path, _SCHEMA, compression="none", use_dictionary=False, write_statistics=False
        ) as writer:
            for group in _groups(self._waiting):
                columns = [[image.path for image in group], [image.data for image in group]]
                writer.write_table(pa.table(columns, schema=_SCHEMA))
        places = _places(path, self._waiting)
        self.addresses += [
            packed_address(name, place, len(image.data), image.path)
            for place, image in zip(places, self._waiting, strict=True)
        ]
        self._count += 1
        self._waiting, self._waiting_bytes = [], 0


def _groups(images: list[_Image]) -> list[list[_Image]]:
    groups: list[list[_Image]] = [[]]
    size = 0
    for image in images:
        if groups[-1] and size + len(image.data) > _GROUP:
            groups.append([])
            size = 0
        groups[-1].append(image)
        size += len(image.data)
    return groups


def _places(path: Path, images: list[_Image]) -> list[int]:
    """Return where in a file each image begins: behind its length, in the order of the rows."""
    places = []
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        at = 0
        for image in images:
            found = content.find(len(image.data).to_bytes(4, "little") + image.data, at)
            assert found >= 0, "Parquet's plain encoding keeps the bytes together"
            places.append(found + 4)
            at = found + 4 + len(image.data)
    return places
