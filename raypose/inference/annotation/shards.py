"""`Shard`: a piece of work, some pictures that are annotated together.

The pieces and the names of their answers follow from the input alone, so that a job that was
interrupted finds again what it has done. What kinds there are is in `inputs`.
"""

from __future__ import annotations

import json
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from concurrent.futures import Executor
from dataclasses import asdict, dataclass
from typing import ClassVar, NamedTuple

from raypose.inference.frame import Frame

Boxes = list[list[float]]
"""The boxes of one image, xyxy in pixels."""


class Picture(NamedTuple):
    """A picture of a shard.

    Attributes:
        frame: the picture, or why it cannot be read.
        boxes: those that came with it; None where none did, and the detector is asked.
    """

    frame: Frame
    boxes: Boxes | None = None


@dataclass(frozen=True, kw_only=True)
class Shard(ABC):
    """Some pictures in a fixed order; plain data that travels.

    Attributes:
        index: position of the shard in its job.
        root: folder or file that the pictures are in, a path or URI.
        prefix: what the names of the pictures begin with in the answers.
    """

    index: int = 0
    root: str
    prefix: str = ""

    _kinds: ClassVar[dict[str, type[Shard]]] = {}

    def __init_subclass__(cls) -> None:
        Shard._kinds[cls.__name__] = cls

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of images or frames; 0 where it is known only once they are read."""

    @abstractmethod
    def read(self, pool: Executor, ahead: int) -> Iterator[Picture]:
        """Yield the pictures in order; one that cannot be read has an `error`.

        Args:
            pool: decodes.
            ahead: most pictures that wait, decoded, to be taken.

        Raises:
            StorageError: if a store does not answer; what else goes wrong is in the pictures.
        """

    @property
    def is_video(self) -> bool:
        """Return whether these are frames of one video."""
        return False

    @property
    def part_name(self) -> str:
        """Return the name of the file with the answers, the same in every run."""
        values = {k: v for k, v in asdict(self).items() if k not in ("index", "root")}
        content = json.dumps([type(self).__name__, values]).encode()
        return f"part-{self.index:06d}-{zlib.crc32(content):08x}.parquet"

    def to_json(self) -> str:
        """Return the shard as text, to travel."""
        return json.dumps({"kind": type(self).__name__, **asdict(self)})

    @staticmethod
    def from_json(text: str) -> Shard:
        """Rebuild a shard from `to_json()`."""
        values = json.loads(text)
        return Shard._kinds[values.pop("kind")](**values)
