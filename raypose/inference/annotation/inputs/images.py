"""Image files of a folder or bucket."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial

from raypose.inference.annotation import storage
from raypose.inference.annotation.inputs.decoding import in_order, read_picture
from raypose.inference.annotation.shards import Boxes, Picture, Shard

_BETWEEN = "\0"  # what no name of a file contains


@dataclass(frozen=True, kw_only=True)
class ImageShard(Shard):
    """Some image files.

    Names and boxes are one text each: a million of them as objects would fill the memory.

    Attributes:
        packed_names: their names, relative to `root` or whole locations.
        packed_boxes: the boxes of each as JSON, where they are given.
    """

    packed_names: str
    packed_boxes: str | None = None

    @classmethod
    def of(
        cls, root: str, prefix: str, names: Sequence[str], boxes: Sequence[Boxes] | None
    ) -> ImageShard:
        """Return the shard of some files.

        Args:
            root: folder that the names are relative to.
            prefix: what the names begin with in the answers.
            names: of the files.
            boxes: for each file, where they are given.
        """
        return cls(
            root=root,
            prefix=prefix,
            packed_names=_BETWEEN.join(names),
            packed_boxes=None if boxes is None else json.dumps(boxes, separators=(",", ":")),
        )

    @property
    def names(self) -> list[str]:
        """Return the names of the files."""
        return self.packed_names.split(_BETWEEN)

    @property
    def boxes(self) -> list[Boxes] | None:
        """Return the boxes of each file, where they are given."""
        return None if self.packed_boxes is None else json.loads(self.packed_boxes)

    def __len__(self) -> int:
        return self.packed_names.count(_BETWEEN) + 1

    def read(self, pool: Executor, ahead: int) -> Iterator[Picture]:
        """Yield the images; see `Shard.read`."""
        return in_order(pool, self._reads(), ahead)

    def _reads(self) -> Iterator[Callable[[], Picture]]:
        names = self.names
        boxes = self.boxes or [None] * len(names)
        for name, given in zip(names, boxes, strict=True):
            source, location = self.prefix + name, name
            if is_whole(name):
                source = storage.shown(name)
            else:
                location = storage.join(self.root, name)
            content = partial(storage.read_bytes, location)
            yield partial(read_picture, source, storage.shown(location), content, given)


def is_whole(name: str) -> bool:
    """Return whether a name is a location by itself: an absolute path or a URI."""
    return not storage.is_local(name) or os.path.isabs(name)
