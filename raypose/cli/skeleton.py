"""The commands of `raypose data skeleton`: describe the keypoints of data of one's own."""

from __future__ import annotations

import argparse
import logging
from dataclasses import replace
from pathlib import Path

from raypose.cli.commands import AddCommand
from raypose.errors import RayposeError

_log = logging.getLogger(__name__)


def add_skeleton_commands(command: AddCommand) -> None:
    """Add the commands of `raypose data skeleton`.

    Args:
        command: what adds one, given its name, function and summary.
    """
    summary = "Make a skeleton YAML from a COCO json; what it does not say is read from names."
    new = command("new", _new, summary)
    new.add_argument("--from", dest="file", required=True, metavar="FILE.json", help="the labels")
    new.add_argument("--category", help="its name, if several have keypoints")
    _add_out(new)

    summary = "Measure OKS sigmas: how far labels of the same keypoints differ."
    sigmas = command("sigmas", _sigmas, summary)
    sigmas.add_argument(
        "files",
        nargs="+",
        metavar="FILE.json",
        help="COCO jsons of the same images, one for each person or round of labelling",
    )
    sigmas.add_argument("--skeleton", help="name or file; that of the first file by default")
    _add_out(sigmas)


def _add_out(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-o", "--out", type=Path, help="YAML to write (standard output)")


def _new(options: argparse.Namespace) -> None:
    """Write the skeleton of a category."""
    from raypose.inspection.category_skeleton import category_skeleton
    from raypose.inspection.skeleton_guesses import complete_skeleton
    from raypose.structures import skeleton_text

    skeleton, notes = complete_skeleton(category_skeleton(options.file, options.category))
    comments = [f"{skeleton.num_keypoints} keypoints of {Path(options.file).name}", *notes]
    _write(skeleton_text(skeleton, comments), options.out, comments)


def _sigmas(options: argparse.Namespace) -> None:
    """Write a skeleton with the sigmas that repeated labels show.

    Raises:
        RayposeError: if a file cannot be read or its labels do not tell them.
    """
    from raypose.inspection.sigmas import estimate_sigmas
    from raypose.inspection.sources import read_file_labels
    from raypose.structures import Skeleton, skeleton_text

    given = None if options.skeleton is None else Skeleton.load(options.skeleton)
    source = read_file_labels(options.files, given)
    errors = [found for found in source.findings if found.severity == "error"]
    if errors:
        lines = [f"{found.file}: {found.id} {found.message}" for found in errors[:10]]
        raise RayposeError("\n".join([*lines, "see raypose data check"]))
    found = estimate_sigmas(source.labels)
    skeleton = replace(
        source.labels[0].skeleton, sigmas=tuple(round(value, 4) for value in found.values.tolist())
    )
    comments = [
        f"sigmas from labels that were repeated, at least {found.repeats.min()} of a keypoint, "
        f"in {', '.join(Path(file).name for file in options.files)}"
    ]
    if found.boxes_as_areas:
        comments.append(
            f"{found.boxes_as_areas} instances have no area; 0.53 of their box stands for it"
        )
    for name, sigma, repeats in zip(
        skeleton.keypoint_names, found.values, found.repeats, strict=True
    ):
        _log.info("%-24s %.4f  from %d repeated labels", name, sigma, repeats)
    _write(skeleton_text(skeleton, comments), options.out, comments)


def _write(text: str, path: Path | None, comments: list[str]) -> None:
    """Write a skeleton to a new file, or print it.

    Raises:
        RayposeError: if the file is there already; people edit skeletons.
    """
    if path is None:
        print(text, end="")
        return
    if path.exists():
        raise RayposeError(f"{path} is there already; give another -o, or remove it first")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    for comment in comments:
        _log.info("%s", comment)
    _log.info("wrote %s; in a config: skeleton: %s", path, path.name)
