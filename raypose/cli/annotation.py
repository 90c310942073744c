"""The command `raypose annotate`."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from raypose.cli.commands import AddCommand
from raypose.cli.output import show_line
from raypose.errors import RayposeError

# Pictures that `annotate --select uncertain` writes.
_SELECTED_COUNT = 100


def add_annotate_command(command: AddCommand) -> None:
    """Add `annotate` to the commands of `raypose`."""
    annotate = command("annotate", _annotate, "Write the poses of images and videos to Parquet.")
    annotate.add_argument(
        "input",
        nargs="+",
        metavar="INPUT|key=value",
        help="folder, glob, image, video, list (txt, csv, parquet), COCO json, Parquet or tar with "
        "images; a path, s3://, gs:// or hdfs://",
    )
    annotate.set_defaults(overrides=[])
    annotate.add_argument("--every", type=int, default=1, help="of a video, every n-th frame")
    annotate.add_argument(
        "--frames", metavar="A:B", help="of a video, frames such as 100:500, or 10s:25s"
    )
    annotate.add_argument("--images", help="folder of the pictures that a list or json names")
    annotate.add_argument("--image-column", help="of a Parquet file, the bytes of the images")
    annotate.add_argument("--id-column", help="of a Parquet file, the names of the images")
    annotate.add_argument("--pose", required=True, help="config, name or checkpoint of the model")
    annotate.add_argument("--weights", help="checkpoint of the pose model, a file or its address")
    annotate.add_argument("--detector", help="ONNX file or config of the detector")
    annotate.add_argument("--boxes", help="COCO json with the boxes of the images")
    annotate.add_argument("--lifter", help="config or checkpoint of a 2D-to-3D model")
    annotate.add_argument("--out", required=True, help="folder or address of the Parquet files")
    annotate.add_argument(
        "--format",
        metavar="A,B",
        help="also write coco, coco-results, json, cvat, label-studio or overlay",
    )
    annotate.add_argument("--overwrite", action="store_true", help="replace what --out holds")
    annotate.add_argument(
        "--select",
        metavar="uncertain[:N]",
        help="also write the N (100) pictures the model is least sure of, to be labelled",
    )
    annotate.add_argument("--draw", type=Path, help="also draw the poses into this folder")


def _annotate(options: argparse.Namespace) -> None:
    from raypose.distributed.annotate import annotate
    from raypose.inference.annotation import storage
    from raypose.inference.annotation.inputs import FrameRange, InputOptions
    from raypose.inference.annotation.job import AnnotationJob
    from raypose.inference.annotation.overlays import draw_annotations
    from raypose.inference.annotation.selection import SELECTED, select_uncertain
    from raypose.inference.loading import read_config

    wanted = None if options.select is None else _count_to_select(options.select)
    is_override = re.compile(r"[A-Za-z_][\w.]*=").match
    inputs = [word for word in options.input if not is_override(word) or Path(word).exists()]
    if not inputs:
        raise RayposeError("name what is to be annotated: a folder, video, list, ...")
    overrides = [word for word in options.input if word not in inputs] + options.overrides
    frames = FrameRange() if options.frames is None else FrameRange.parse(options.frames)
    # The tables are always there; whoever names them as well is right.
    formats = [name for name in (options.format or "").split(",") if name not in ("", "parquet")]
    config, weights = read_config(options.pose, options.weights, overrides)
    job = AnnotationJob(
        source=inputs,
        reading=InputOptions(
            every=options.every,
            frames=frames,
            images=None if options.images is None else storage.absolute(options.images),
            image_column=options.image_column,
            id_column=options.id_column,
        ),
        out=storage.absolute(options.out),
        config=config.data,
        weights=weights.resolve(),
        detector=options.detector,
        boxes=None if options.boxes is None else storage.absolute(options.boxes),
        lifter=options.lifter,
        formats=tuple(formats),
    )
    if options.draw is not None or wanted is not None:
        job.skeleton  # noqa: B018  what is wrong with it is better known now than in the end
    progress = annotate(job, options.overwrite, show=show_line)
    print(f"{storage.shown(options.out)}: {progress}", file=sys.stderr)
    if options.draw is not None:
        count = draw_annotations(job, job.plan(), options.draw)
        print(f"{options.draw}: {count} pictures", file=sys.stderr)
    if wanted is not None:
        folder = storage.join(options.out, SELECTED)
        count = select_uncertain(job, job.plan(), wanted, storage.absolute(folder))
        print(f"{storage.shown(folder)}: {count} pictures to label", file=sys.stderr)


def _count_to_select(words: str) -> int:
    """Return N of `uncertain:N`."""
    found = re.fullmatch(r"uncertain(?::([1-9]\d*))?", words)
    if found is None:
        raise RayposeError(f"--select: uncertain or uncertain:50 is expected, got {words!r}")
    return int(found[1] or _SELECTED_COUNT)
