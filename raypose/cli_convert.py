"""The command `raypose data convert`: labelled data of another tool to data that trains."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # commands import what they need when they run
    from raypose.converters import LabelSet

AddCommand = Callable[..., argparse.ArgumentParser]

_log = logging.getLogger(__name__)
FORMAT_NAMES = (
    *("coco", "yolo-pose", "deeplabcut", "lightning-pose", "sleap", "label-studio"),
    *("cvat", "vott"),
)
"""What `--from` and `--to` take, here so that the command line need not import the converters."""


def add_convert_command(command: AddCommand) -> None:
    """Add `convert` to the commands of `raypose data`.

    Args:
        command: what adds one, given its name, function and summary.
    """
    summary = "Convert labelled data of another tool; to COCO json it comes with a config."
    convert = command("convert", _convert, summary)
    convert.add_argument("source", type=Path, help="folder or file of the labels")
    convert.add_argument("-o", "--out", type=Path, required=True, help="a new folder")
    names = ", ".join(FORMAT_NAMES)
    convert.add_argument("--to", default="coco", metavar="FORMAT", help=f"coco, or one of: {names}")
    convert.add_argument("--from", dest="format", metavar="FORMAT", help="(what it looks like)")
    convert.add_argument("--images", type=Path, metavar="FOLDER", help="of the pictures or videos")
    convert.add_argument(
        "--skeleton",
        metavar="NAME|FILE",
        help="keypoints, links and mirror partners to write, instead of those of the source",
    )
    convert.add_argument(
        "--val",
        type=float,
        metavar="SHARE",
        help="of validation, chosen at random (0.2, unless the source has splits)",
    )
    convert.add_argument(
        "--split-by",
        choices=("picture", "video"),
        default="picture",
        help="what is chosen: pictures, or videos with all their frames",
    )
    convert.add_argument("--seed", type=int, default=0, help="of the choice (0)")
    convert.add_argument(
        "--link", action="store_true", help="link to the pictures instead of copying them"
    )


def _convert(options: argparse.Namespace) -> None:
    """Convert, and say what there is now and what comes next."""
    from raypose.converters import convert_labels, guess_format

    name = options.format or guess_format(options.source)
    labels = convert_labels(
        options.source,
        options.to,
        options.out,
        format=name,
        images=options.images,
        skeleton=options.skeleton,
        val_fraction=options.val,
        seed=options.seed,
        split_by=options.split_by,
        link=options.link,
    )
    _log.info("%s, read as %s: %s", options.source, name, _content(labels))
    for note in labels.notes:
        _log.warning("left out: %s", note)
    for line in _written(labels, options.to, options.out):
        print(line)


def _content(labels: LabelSet) -> str:
    instances = sum(len(image.instances) for image in labels.images)
    return (
        f"{len(labels.images)} pictures, {instances} instances with "
        f"{labels.skeleton.num_keypoints} keypoints"
    )


def _written(labels: LabelSet, target: str, out: Path) -> list[str]:
    """Return what a person may want to look at or to run next."""
    if target != "coco":
        return [str(out)]
    lines = [
        f"{out / split}.json: {len(images)} pictures" for split, images in labels.splits().items()
    ]
    config = out / "config.yaml"
    if config.is_file():
        lines.append(f"{config}: raypose train {config} --work-dir runs/{labels.skeleton.name}")
    return lines
