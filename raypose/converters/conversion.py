"""From one format of labels to another."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from raypose.converters.formats import FORMATS, Extra, guess_format, reader_of, writer_of
from raypose.converters.labels import LabelSet, check_names
from raypose.converters.splits import SplitBy, split_labels
from raypose.errors import ConfigError, DataError, RayposeError
from raypose.structures import Skeleton


def read_labels(
    source: str | Path, format: str | None = None, images: str | Path | None = None
) -> LabelSet:
    """Read labelled pictures.

    Args:
        source: file or folder.
        format: name of its format, by what it looks like by default.
        images: folder of the pictures, where they lie apart from the labels.

    Raises:
        DataError: if a file is broken.
        RayposeError: if the format is unknown.
    """
    path = Path(source)
    read = reader_of(guess_format(path) if format is None else format)
    labels = read(path, None if images is None else Path(images))
    if not labels.images:
        raise DataError(f"{path}: no labelled picture in it")
    check_names(labels.images, path)
    return labels


def convert_labels(
    source: str | Path,
    target: str,
    out: str | Path,
    *,
    format: str | None = None,
    images: str | Path | None = None,
    skeleton: str | Path | None = None,
    val_fraction: float | None = None,
    seed: int = 0,
    split_by: SplitBy = "picture",
    link: bool = False,
) -> LabelSet:
    """Read labelled pictures and write them in another format.

    Args:
        source: file or folder.
        target: format to write.
        out: folder to write to; it may hold nothing yet.
        format: of the source, by what it looks like by default.
        images: folder of the pictures, where they lie apart from the labels.
        skeleton: name or file of a skeleton whose keypoints, order, links and mirror partners are
            taken instead of those of the source.
        val_fraction: share of pictures for validation; see `split_labels`.
        seed: of their choice.
        split_by: what is chosen; see `split_labels`.
        link: link to pictures that are files instead of copying them.

    Returns:
        What was written; its notes say what was left out.

    Raises:
        DataError: if a file is broken.
        RayposeError: if a format is unknown or has no splits for `val_fraction`, or if `out`
            holds something.
    """
    write = writer_of(target)
    keeps = FORMATS[target].keeps
    if (val_fraction is not None or split_by != "picture") and "splits" not in keeps:
        raise RayposeError(
            f"--val and --split-by: the format {target} does not tell training from validation"
        )
    folder = new_folder(out)
    labels = read_labels(source, format, images)
    if skeleton is not None:
        labels = labels.with_skeleton(load_skeleton(skeleton))
    lost = [extra for extra in _extras(labels) if extra not in keeps]
    if lost:
        note = f"{', '.join(lost)}: the format {target} cannot say them"
        labels = replace(labels, notes=[*labels.notes, note])
    if "splits" in keeps:
        labels = split_labels(labels, val_fraction, seed, split_by)
    was_there = folder.exists()
    try:
        write(labels, folder, link)
    except BaseException:
        empty_folder(folder, remove=not was_there)
        raise
    return labels


def new_folder(out: str | Path) -> Path:
    """Return a folder to write to, which holds nothing yet.

    Raises:
        DataError: if it holds something.
    """
    folder = Path(out)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DataError(f"{folder} holds something already; name a new or an empty folder")
    return folder


def load_skeleton(skeleton: str | Path) -> Skeleton:
    """Return a skeleton that a user has named.

    Raises:
        RayposeError: if it is unknown or broken.
    """
    try:
        return Skeleton.load(skeleton)
    except ConfigError as error:
        raise RayposeError(f"--skeleton: {error}") from error


def empty_folder(folder: Path, remove: bool) -> None:
    """Take away what was written to a folder, which was empty before or not there."""
    for path in folder.glob("*"):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    if remove and folder.exists():
        folder.rmdir()


def _extras(labels: LabelSet) -> list[Extra]:
    """Return what labels say beside the places of keypoints."""
    instances = [each for image in labels.images for each in image.instances]
    found: dict[Extra, bool] = {
        "boxes": any(each.bbox is not None for each in instances),
        "categories": len(labels.categories()) > 1,
        "hidden keypoints": any((each.visibility == 1).any() for each in instances),
        "splits": any(image.split is not None for image in labels.images),
        "tracks": bool(labels.tracks()),
    }
    return [extra for extra, is_there in found.items() if is_there]
