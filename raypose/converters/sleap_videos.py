"""The pictures of a SLEAP file: frames of a video, image files, or images embedded in it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import cv2
import numpy as np

from raypose.converters.checked import mapping_of
from raypose.converters.extras import require
from raypose.converters.pictures import (
    EncodedPicture,
    FilePicture,
    FramePicture,
    Picture,
    find_picture,
    picture_of_frame,
)
from raypose.errors import DataError
from raypose.ops.image_files import decode_image

# From this format on embedded images have the colours of any image file unless they say otherwise.
_COLOURS_RIGHT = 1.4


@dataclass(frozen=True, slots=True, kw_only=True)
class SleapVideo:
    """An entry of `videos_json`.

    Attributes:
        labels: the SLEAP file.
        number: what frames call it by.
        name: its file name.
        file: the video, None where it consists of images.
        files: image files by number.
        folders: where image files are looked for.
        dataset: embedded images, None without them.
        rows: row of the dataset by number of the frame.
        swapped: whether red and blue are swapped in embedded images.
        suffix: of embedded images.
    """

    labels: Path
    number: int
    name: str
    file: Path | None
    files: list[str]
    folders: list[Path]
    dataset: str | None
    rows: dict[int, int]
    swapped: bool
    suffix: str

    @classmethod
    def of(
        cls, labels: Path, entry: Mapping[str, Any], content: Any, images: Path | None, number: int
    ) -> SleapVideo:
        """Read an entry.

        Args:
            labels: the SLEAP file.
            entry: what `videos_json` says.
            content: the open file.
            images: folder to look for files in as well.
            number: its place in `videos_json`.

        Raises:
            DataError: if its file is not there or of a kind that is not known.
        """
        where = f"{labels}: videos_json: video {number}"
        backend = mapping_of(entry.get("backend", entry), f"{where}: backend")
        folders = [*([images] if images is not None else []), labels.parent]
        dataset = backend.get("dataset") if backend.get("filename") == "." else None
        name = _name(entry, number)
        file, files, rows, swapped, suffix = None, [], {}, False, ".png"
        if dataset is not None:
            if dataset not in content:
                raise DataError(f"{where}: no dataset {dataset}")
            pixels = content[dataset]
            parent = pixels.parent
            stored = parent["frame_numbers"][()] if "frame_numbers" in parent else None
            order = range(len(pixels)) if stored is None else map(int, stored)
            rows = {frame: row for row, frame in enumerate(order)}
            if "format" not in pixels.attrs:
                raise DataError(
                    f"{labels}: {dataset}: encoded images expected, these are arrays of pixels"
                )
            suffix = f".{_text(pixels.attrs['format'])}"
            old = float(content["metadata"].attrs.get("format_id", 1.0)) < _COLOURS_RIGHT
            order = _text(pixels.attrs.get("channel_order", "BGR" if old else "RGB"))
            swapped = order == "BGR"
            # Frames of an embedded video go by the number in the name of its dataset.
            digits = re.match(r"video(\d+)/", dataset)
            number = int(digits[1]) if digits else number
        elif "filenames" in backend:
            files = [str(each) for each in backend["filenames"]]
        else:
            wanted = str(backend.get("filename", entry.get("filename", "")))
            file = _find(wanted, folders, where)
        return cls(
            labels=labels,
            number=number,
            name=name,
            file=file,
            files=files,
            folders=folders,
            dataset=dataset,
            rows=rows,
            swapped=swapped,
            suffix=suffix,
        )

    def name_of(self, index: int) -> str:
        """Return what the picture of a frame is called."""
        if self.files:
            return f"{self.name}/{_last(self.files[self._checked(index)])}"
        stem = picture_of_frame(self.name, index).rsplit(".", 1)[0]
        return stem + (self.suffix if self.dataset is not None else ".jpg")

    def picture(self, index: int) -> Picture:
        """Return the picture of a frame.

        Raises:
            DataError: if there is none.
        """
        if self.dataset is not None:
            row = self._checked(index)

            def load() -> bytes:
                return self._embedded(row)

            return EncodedPicture(load, f"{self.labels}: {self.dataset}: {row}", self.suffix)
        if self.file is not None:
            return FramePicture(self.file, index)
        name = self.files[self._checked(index)]
        return FilePicture(_find(name, self.folders, f"{self.labels}: {self.name}: frame {index}"))

    def _checked(self, index: int) -> int:
        rows = self.rows if self.dataset is not None else dict(enumerate(range(len(self.files))))
        if index not in rows:
            raise DataError(f"{self.labels}: {self.name}: no frame {index}, it has {len(rows)}")
        return rows[index]

    def _embedded(self, row: int) -> bytes:
        h5py = require("h5py", "read SLEAP files")
        with h5py.File(self.labels, "r") as content:
            data = np.asarray(content[self.dataset][row]).view(np.uint8)
        if not self.swapped:
            return data.tobytes()
        image = decode_image(data, name=f"{self.labels}: {self.dataset}: {row}")
        if (image[..., 0] == image[..., 2]).all():
            return data.tobytes()
        return cv2.imencode(self.suffix, image[..., ::-1])[1].tobytes()


def _find(name: str, folders: list[Path], where: str) -> Path:
    """Return a file by its path, or by its last name in a folder of `folders`."""
    parts = PurePosixPath(name.replace("\\", "/")).parts
    for length in range(min(len(parts), 3), 1, -1):
        for folder in folders:
            if folder.joinpath(*parts[-length:]).is_file():
                return folder.joinpath(*parts[-length:])
    if Path(name).is_file():
        return Path(name)
    return find_picture(_last(name), folders, where)


def _name(entry: Mapping[str, Any], number: int) -> str:
    """Return what to call a video: the name of its file, that it was cut from if embedded."""
    source = entry.get("source_video")
    source = source if isinstance(source, Mapping) else entry
    backend = source.get("backend")
    backend = backend if isinstance(backend, Mapping) else source
    name = backend.get("filename") or source.get("filename")
    if isinstance(name, list):
        name = name[0] if name else None
    if not name or name == ".":
        return f"video{number}"
    path = PurePosixPath(str(name).replace("\\", "/"))
    # Images are called by their folder.
    return path.parent.name or f"video{number}" if "filenames" in backend else path.stem


def _last(name: str) -> str:
    return name.replace("\\", "/").rsplit("/", 1)[-1]


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
