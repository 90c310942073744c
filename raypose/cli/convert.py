"""The command `raypose data convert`: labels and motion of other tools to data that trains."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from raypose.cli.commands import AddCommand
from raypose.errors import RayposeError

if TYPE_CHECKING:  # commands import what they need when they run
    from raypose.converters import LabelSet

_log = logging.getLogger(__name__)
FORMAT_NAMES = (
    *("coco", "yolo-pose", "deeplabcut", "lightning-pose", "sleap", "label-studio"),
    *("cvat", "vott"),
)
"""Formats of labels, here so that the command line need not import the converters."""

MOTION_NAMES = ("bvh", "c3d", "anipose")
"""Formats of poses in space."""

_LIFTING = "lifting"
# Options that are about one of the two kinds of target.
_OF_LIFTING = ("calibration", "unit", "up", "rate")
_OF_LABELS = ("split_by", "link")


def add_convert_command(command: AddCommand) -> None:
    """Add `convert` to the commands of `raypose data`.

    Args:
        command: what adds one, given its name, function and summary.
    """
    summary = "Convert labels or motion of another tool to data and a config that train."
    convert = command("convert", _convert, summary)
    convert.add_argument("source", type=Path, help="folder or file of the labels or the motion")
    convert.add_argument("-o", "--out", type=Path, required=True, help="a new folder")
    convert.add_argument(
        "--to",
        default="coco",
        metavar="FORMAT",
        help=f"coco, with a config for 2D (this by default); lifting, with one for 2D to 3D; or "
        f"{', '.join(FORMAT_NAMES[1:-1])}",
    )
    convert.add_argument(
        "--from",
        dest="format",
        metavar="FORMAT",
        help=f"what the source is, by its looks without it: {', '.join(FORMAT_NAMES)}; for "
        f"lifting also {', '.join(MOTION_NAMES)}",
    )
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
        help="what is chosen: pictures (this by default), or videos with all their frames",
    )
    convert.add_argument("--seed", type=int, default=0, help="of the choice (0)")
    convert.add_argument(
        "--link", action="store_true", help="link to the pictures instead of copying them"
    )
    lifting = convert.add_argument_group("to lifting")
    lifting.add_argument(
        "--calibration",
        type=Path,
        metavar="FILE",
        help="of the cameras: toml, json or DeepLabCut-3D's pickle; labels of views need it",
    )
    lifting.add_argument(
        "--unit", help="of lengths: m, dm, cm, mm or in (c3d says it; bvh: cm; mm)"
    )
    lifting.add_argument(
        "--up", choices=("x", "y", "z"), help="axis that points up, without cameras (bvh: y; z)"
    )
    lifting.add_argument(
        "--rate", type=float, metavar="HZ", help="about how many frames a second to keep (all)"
    )


def _convert(options: argparse.Namespace) -> None:
    """Convert, and say what there is now and what comes next."""
    _check_options(options)
    lines = _to_lifting(options) if options.to == _LIFTING else _to_labels(options)
    for line in lines:
        print(line)


def _check_options(options: argparse.Namespace) -> None:
    """Refuse options that are about another target."""
    strange = _OF_LABELS if options.to == _LIFTING else _OF_LIFTING
    for name in strange:
        if getattr(options, name):
            word = name.replace("_", "-")
            verb = "is not" if options.to == _LIFTING else "is"
            raise RayposeError(f"--{word} {verb} for --to lifting; this is --to {options.to}")


def _to_labels(options: argparse.Namespace) -> list[str]:
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
        split_by=options.split_by or "picture",
        link=options.link,
    )
    _log.info("%s, read as %s: %s", options.source, name, _content(labels))
    _warn(labels.notes)
    if labels.is_unnamed:
        _log.warning("the source does not name its keypoints; --skeleton says what they are")
    return _written(labels, options.to, options.out)


def _to_lifting(options: argparse.Namespace) -> list[str]:
    from raypose.converters.motion_conversion import convert_motion

    motion, written = convert_motion(
        options.source,
        options.out,
        format=options.format,
        calibration=options.calibration,
        images=options.images,
        unit=options.unit,
        up=options.up,
        rate=options.rate,
        skeleton=options.skeleton,
        val_fraction=options.val,
        seed=options.seed,
    )
    frames = sum(len(take.points) for take in motion.takes)
    _log.info(
        "%s: %d takes, %d poses of %d keypoints",
        *(options.source, len(motion.takes), frames, motion.skeleton.num_keypoints),
    )
    _warn(motion.notes)
    if written.label_errors is not None:
        _log.info(
            "labels lie %.2f pixels from their poses in space (median; 95 %%: %.2f)",
            *written.label_errors,
        )
    counts = [
        f"{options.out / split}.npz: {count} views of poses"
        for split, count in written.samples.items()
    ]
    return [*counts, _next_step(options.out, motion.skeleton.name)]


def _warn(notes: list[str]) -> None:
    for note in notes:
        _log.warning("left out: %s", note)


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
    if (out / "config.yaml").is_file():
        lines.append(_next_step(out, labels.skeleton.name))
    return lines


def _next_step(out: Path, name: str) -> str:
    config = out / "config.yaml"
    return f"{config}: raypose train {config} --work-dir runs/{name}"
