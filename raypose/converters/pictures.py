"""Where the pixels of a labelled picture are: a file, a frame of a video, bytes in a container."""

from __future__ import annotations

import os
import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath

import cv2
import numpy as np

from raypose.errors import DataError
from raypose.ops.image_files import decode_image, read_image
from raypose.ops.image_headers import image_size
from raypose.ops.video_files import open_video

# Enough of a file for its header, thumbnails of a camera included.
_HEADER = 1 << 17
_JPEG_QUALITY = 95


class Picture(ABC):
    """The pixels of a picture."""

    @property
    @abstractmethod
    def size(self) -> tuple[int, int]:
        """Return (w, h) of the upright picture.

        Raises:
            DataError: if it cannot be read.
        """

    @property
    @abstractmethod
    def suffix(self) -> str:
        """Return what the name of a copy ends in."""

    @abstractmethod
    def save(self, target: Path, link: bool = False) -> None:
        """Write a copy, or a link where the picture is a file.

        Raises:
            DataError: if it cannot be read.
        """


@dataclass(frozen=True, slots=True)
class FilePicture(Picture):
    """An image file."""

    path: Path

    @property
    def size(self) -> tuple[int, int]:
        """Return (w, h), from the header where that says how the picture lies."""
        return _size_of_file(self.path)

    @property
    def suffix(self) -> str:
        """Return that of the file."""
        return self.path.suffix

    def save(self, target: Path, link: bool = False) -> None:
        """Copy the file, or link to it."""
        if not self.path.is_file():
            raise DataError(f"no picture at {self.path}")
        if target.exists() and target.samefile(self.path):
            return
        target.unlink(missing_ok=True)
        if link:
            target.symlink_to(self.path.resolve())
        else:
            shutil.copyfile(self.path, target)


@dataclass(frozen=True, slots=True)
class FramePicture(Picture):
    """A frame of a video."""

    video: Path
    index: int

    @property
    def size(self) -> tuple[int, int]:
        """Return (w, h) of the video."""
        return _size_of_video(self.video)

    @property
    def suffix(self) -> str:
        """Return what frames are written as."""
        return ".jpg"

    def save(self, target: Path, link: bool = False) -> None:
        """Decode the frame; links are of no use here."""
        save_frames(self.video, [(self.index, target)])


@dataclass(frozen=True, slots=True)
class EncodedPicture(Picture):
    """An encoded image inside another file.

    Attributes:
        load: returns its bytes.
        origin: what to call it in messages.
        suffix: what its format ends in, such as `.png`.
    """

    load: Callable[[], bytes]
    origin: str
    suffix: str

    @property
    def size(self) -> tuple[int, int]:
        """Return (w, h) from the header."""
        data = self.load()
        size = image_size(data)
        if size is not None:
            return size
        height, width = decode_image(data, name=self.origin).shape[:2]
        return width, height

    def save(self, target: Path, link: bool = False) -> None:
        """Write the bytes as they are; links are of no use here."""
        target.write_bytes(self.load())


def find_picture(name: str, folders: Iterable[Path], where: str) -> Path:
    """Return the picture that an annotation names.

    Args:
        name: a path, with slashes of any system.
        folders: that a relative path may start from, the first that has it wins.
        where: file and item, for the message.

    Raises:
        DataError: if no folder has it.
    """
    parts = PurePosixPath(name.replace("\\", "/"))
    folders = list(folders)
    for folder in folders:
        if (folder / parts).is_file():
            return folder / parts
    searched = ", ".join(dict.fromkeys(map(str, folders)))
    raise DataError(f"{where}: no picture {name} (looked in {searched})")


def picture_name(path: Path, folders: Iterable[Path]) -> str:
    """Return what a picture is called: its path below the first folder that has it.

    A folder `images` in one of them is no part of the name. In none it is the file name.
    """
    folders = list(folders)
    for folder in (*(folder / "images" for folder in folders), *folders):
        if path.is_relative_to(folder) and ".." not in path.relative_to(folder).parts:
            return path.relative_to(folder).as_posix()
    return path.name


def picture_of_frame(video: str, index: int) -> str:
    """Return what the picture of a frame of a video is called."""
    return f"{video}/{index:06d}.jpg"


def save_pictures(pictures: Iterable[tuple[Picture, Path]], link: bool = False) -> None:
    """Write pictures, the frames of each video in one go through it.

    Args:
        pictures: each with the file to write.
        link: link to those that are files.

    Raises:
        DataError: if one cannot be read.
    """
    frames: dict[Path, list[tuple[int, Path]]] = {}
    for picture, target in pictures:
        target.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(picture, FramePicture):
            frames.setdefault(picture.video, []).append((picture.index, target))
        else:
            picture.save(target, link)
    for video, wanted in frames.items():
        save_frames(video, wanted)


def save_frames(path: Path, wanted: Iterable[tuple[int, Path]]) -> None:
    """Write frames of a video as JPEG, or as what their names end in.

    Raises:
        DataError: if the video or a frame cannot be read.
    """
    ordered = sorted(wanted)
    video = open_video(path, ordered[0][0])
    try:
        at = ordered[0][0]
        found, image = False, np.zeros(0)
        for number, (index, target) in enumerate(ordered):
            if number == 0 or index != ordered[number - 1][0]:
                while at < index and video.grab():
                    at += 1
                found, image = video.read()
                at += 1
            if not found:
                raise DataError(f"{path}: frame {index} cannot be read")
            written = cv2.imwrite(str(target), image, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
            if not written:
                raise DataError(f"{target}: OpenCV cannot write it")
    finally:
        video.release()


@lru_cache(maxsize=4096)
def _size_of_file(path: Path) -> tuple[int, int]:
    try:
        with path.open("rb") as file:
            header = file.read(_HEADER)
    except OSError as error:
        raise DataError(f"{path}: {os.strerror(error.errno or 0)}") from error
    size = image_size(header)
    # EXIF may turn the picture: then the pixels say it.
    if size is None or b"Exif" in header:
        height, width = read_image(path).shape[:2]
        return width, height
    return size


@lru_cache(maxsize=256)
def _size_of_video(path: Path) -> tuple[int, int]:
    video = open_video(path)
    try:
        sides = cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT
        width, height = (int(video.get(side)) for side in sides)
    finally:
        video.release()
    return width, height
