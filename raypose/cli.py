"""The command `raypose`: train, eval, report, annotate, serve, manifest, data, weights, ..."""

from __future__ import annotations

import argparse
import json
import logging
import os
import queue
import re
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import raypose
from raypose.cli_convert import add_convert_command
from raypose.cli_data import add_data_commands
from raypose.cli_evaluation import add_evaluation_commands, write_report_of
from raypose.cli_skeleton import add_skeleton_commands
from raypose.errors import ConfigError, RayposeError

# Pictures that `annotate --select uncertain` writes.
_SELECTED_COUNT = 100


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; what the user can mend is printed without a traceback.

    Args:
        arguments: the words after `raypose`, those of the process by default.

    Returns:
        The exit status: 0, 1 from `data check` for data with errors, 2 for a mistake of the user,
        130 after Ctrl-C, 141 when nobody reads on, 143 for a run that SIGTERM has stopped.
    """
    options = _parse(arguments)
    logging.basicConfig(format="%(message)s", stream=sys.stderr)
    logging.getLogger("raypose").setLevel(logging.INFO)
    try:
        status = options.run(options)
    except BrokenPipeError:
        # Who read our output (`| head`) has left; nor can what is still buffered be written.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except (RayposeError, FileNotFoundError, PermissionError, ConnectionError) as error:
        lead = "the config cannot be used:\n" if isinstance(error, ConfigError) else ""
        print(f"raypose: {lead}{error}", file=sys.stderr)
        return error.exit_status if isinstance(error, RayposeError) else 2
    except KeyboardInterrupt:
        return 130
    return status or 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the options; overrides may stand behind options too, where argparse stops."""
    parser = _parser()
    options, rest = parser.parse_known_args(arguments)
    strange = [word for word in rest if word.startswith("-") or "=" not in word]
    if strange or (rest and "overrides" not in options):
        parser.error(f"unrecognized arguments: {' '.join(strange or rest)}")
    if rest:
        options.overrides = [*options.overrides, *rest]
    return options


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="raypose", description=raypose.__doc__)
    parser.add_argument("--version", action="version", version=f"raypose {raypose.__version__}")
    command = _commands_of(parser)

    train = command("train", _train, "Train a model from a config.")
    _add_config(train)
    train.add_argument("--work-dir", type=Path, help="folder of the results (work_dirs/NAME)")
    train.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
    train.add_argument(
        "--dry-run", action="store_true", help="check the config and print it resolved"
    )

    add_evaluation_commands(command)

    pack = command("pack", _pack, "Put a training set into a few files, cut to what crops show.")
    _add_config(pack)
    pack.add_argument("-o", "--out", type=Path, required=True, help="new folder")
    pack.add_argument("--quality", type=int, default=95, help="of the JPEGs that are cut out (95)")
    pack.add_argument("--lossless", action="store_true", help="PNG in place of JPEG")
    pack.add_argument("--shard-mb", type=int, default=256, help="size of a file (256)")
    pack.add_argument("--workers", type=int, help="processes (one a core)")
    pack.add_argument("--overwrite", action="store_true", help="replace what is packed in --out")

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

    serve = command("serve", _serve, "Answer POST /v1/pose with the models of a serve file.")
    _add_config(serve)

    manifest = command("manifest", _manifest, "Write the file that serves or trains on a cluster.")
    manifest.add_argument(
        "kind",
        choices=("serve", "rayservice", "rayjob"),
        help="config of Ray Serve, or an object of KubeRay",
    )
    _add_config(manifest)
    manifest.add_argument("-o", "--out", type=Path, help="YAML to write (standard output)")
    manifest.add_argument("--image", help="container image with raypose (rayservice, rayjob)")
    manifest.add_argument("--name", help="of the application, service or job (raypose)")
    manifest.add_argument(
        "--folder", help="where the config's folder is on the cluster (/models; rayjob: /shared)"
    )
    manifest.add_argument("--work-dir", help="folder of the results (rayjob)")
    manifest.add_argument("--command", help="what to run instead of the training (rayjob)")

    demo = command("demo", _demo, "Make data, train, evaluate, annotate and report, all by itself.")
    demo.add_argument("--out", type=Path, default=Path("demo"), help="folder of the results")
    demo.add_argument("--seed", type=int, default=0)

    importer = command(
        "import-mmpose", _import_mmpose, "Translate an MMPose config; executes its Python code."
    )
    importer.add_argument("config", type=Path, help="MMPose config, a Python file")
    importer.add_argument("-o", "--out", type=Path, help="YAML to write (standard output)")

    summary = "Convert, check, count and look at labelled data."
    data = _commands_of(command("data", None, summary))
    add_convert_command(data)
    add_data_commands(data)
    summary = "Make and complete the description of keypoints."
    add_skeleton_commands(_commands_of(data("skeleton", None, summary)))

    summary = "List, download, convert and inspect weights."
    _add_weights_commands(command("weights", None, summary))
    return parser


def _commands_of(parser: argparse.ArgumentParser) -> Callable[..., argparse.ArgumentParser]:
    """Return what adds a command to a parser, given its name, function and summary."""
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def command(name: str, run: Any, summary: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=summary, description=summary)
        added.set_defaults(run=run)
        return added

    return command


def _add_weights_commands(parser: argparse.ArgumentParser) -> None:
    command = _commands_of(parser)

    listing = command("list", _list_weights, "Show the published models.")
    listing.add_argument(
        "pattern", nargs="?", default="", help="part of a name, or one with * in it"
    )

    download = command("download", _download_weights, "Fetch weights into the local folder.")
    download.add_argument("source", metavar="NAME|URL", help="published model, or an address")

    convert = command("convert", _convert_weights, "Write the weights alone, under today's keys.")
    convert.add_argument("source", metavar="IN", help="checkpoint, a file or its address")
    convert.add_argument("target", metavar="OUT.safetensors", type=Path)
    convert.add_argument("--overwrite", action="store_true", help="replace OUT.safetensors")

    inspect = command("inspect", _inspect_weights, "Show what a checkpoint holds and what it fits.")
    inspect.add_argument("file", metavar="FILE", help="checkpoint, a file or its address")


def _add_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", help="config file or the name of one that comes with raypose")
    parser.add_argument("overrides", nargs="*", metavar="key=value")


def _train(options: argparse.Namespace) -> None:
    from raypose.config import load_config
    from raypose.models.dry_run import dry_run

    config = load_config(options.config, options.overrides)
    dry_run(config)
    if options.dry_run:
        print(config.to_yaml(), end="")
        return
    from raypose.distributed.train import train
    from raypose.training.launch import metrics_to_json

    work_dir = options.work_dir or Path("work_dirs") / Path(options.config).stem
    print(metrics_to_json(train(config, work_dir, options.resume)))
    write_report_of(work_dir)


def _pack(options: argparse.Namespace) -> None:
    from raypose.config import load_config
    from raypose.training.packing import PackOptions, pack

    for name, least, most in (("quality", 1, 100), ("shard_mb", 1, 2000), ("workers", 0, 10_000)):
        value = getattr(options, name)
        if value is not None and not least <= value <= most:
            option = name.replace("_", "-")
            raise RayposeError(f"--{option} is from {least} to {most}, got {value}")
    config = load_config(options.config, options.overrides)
    cores = os.cpu_count() or 1
    packed = pack(
        config,
        options.out,
        PackOptions(
            quality=options.quality,
            lossless=options.lossless,
            shard_bytes=options.shard_mb << 20,
            # One process would only wait for another.
            num_workers=(0 if cores == 1 else cores)
            if options.workers is None
            else options.workers,
        ),
        options.overwrite,
    )
    print(
        f"{packed.samples} samples of {packed.images} images, {packed.size / 1e6:.1f} MB of "
        f"{packed.original_size / 1e6:.1f} MB ({packed.kept} files are kept as they are)",
        file=sys.stderr,
    )
    # What a training is to be given; one mapping replaces the other as their types differ.
    node = f"{{type: PackedDataset, data_root: {json.dumps(str(options.out.absolute()))}}}"
    added = config.data_options.train is not None and config.data_options.train.add
    print(f"data.train.dataset={node}" + ("\ndata.train.add=[]" if added else ""))


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
    progress = annotate(job, options.overwrite, show=_show_line)
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


def _serve(options: argparse.Namespace) -> None:
    from raypose.config import load_serve_config
    from raypose.distributed.serving import run, stop
    from raypose.distributed.session import ray_session

    section = load_serve_config(options.config, options.overrides)
    asked: queue.SimpleQueue[int] = queue.SimpleQueue()
    with ray_session():
        run(section)
        # Not before: Ray, once started, has handlers of its own.
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            if hasattr(signal, name):  # Windows has no SIGHUP
                signal.signal(getattr(signal, name), lambda number, _: asked.put(number))
        print(f"serving on http://{section.host}:{section.port}/v1/pose", flush=True)
        while asked.get() == getattr(signal, "SIGHUP", None):
            _reload(options, run)
        stop()


def _reload(options: argparse.Namespace, run: Callable[[Any], None]) -> None:
    """Read the serve file again; what is wrong with it leaves the service as it is."""
    from raypose.config import load_serve_config

    try:
        run(load_serve_config(options.config, options.overrides))
    except RayposeError as error:
        print(f"not reloaded: {error}", file=sys.stderr, flush=True)
    else:
        print(f"reloaded {options.config}", flush=True)


def _manifest(options: argparse.Namespace) -> None:
    from raypose.distributed.serving import manifests

    taken = {"name", "folder"}
    if options.kind != "serve":
        taken.add("image")
        if options.image is None:
            raise RayposeError(f"--image: a {options.kind} needs an image that has raypose")
    if options.kind == "rayjob":
        taken |= {"work_dir", "command"}
    words = ("name", "folder", "image", "work_dir", "command")
    given = {word: getattr(options, word) for word in words if getattr(options, word) is not None}
    for word in sorted(given.keys() - taken):
        option = word.replace("_", "-")
        raise RayposeError(f"--{option}: a manifest of the kind {options.kind} has no use for it")
    write = getattr(manifests, f"{options.kind}_manifest")
    _write_text(write(options.config, options.overrides, **given), options.out)


def _demo(options: argparse.Namespace) -> None:
    from raypose.demo import run_demo

    run_demo(options.out, options.seed, show=lambda line: print(line, flush=True))


def _import_mmpose(options: argparse.Namespace) -> None:
    from raypose.config.mmpose_import import import_mmpose

    print(f"executing {options.config}, which is Python code", file=sys.stderr)
    text = import_mmpose(options.config)
    _write_text(text, options.out)


def _write_text(text: str, out: Path | None) -> None:
    if out is None:
        print(text, end="")
    else:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text, encoding="utf-8")


def _list_weights(options: argparse.Namespace) -> None:
    from fnmatch import fnmatchcase

    from raypose.weights import cached_path, published_models

    pattern = options.pattern if "*" in options.pattern else f"*{options.pattern}*"
    for model in published_models().values():
        if not any(fnmatchcase(name, pattern) for name in (model.config, *model.aliases)):
            continue
        results = "; ".join(
            f"{data} " + ", ".join(f"{metric} {value:g}" for metric, value in numbers.items())
            for data, numbers in model.results
        )
        aliases = f" ({', '.join(model.aliases)})" if model.aliases else ""
        here = " [downloaded]" if cached_path(model.url).is_file() else ""
        print(f"{model.name}{aliases}{here}\n    {results or 'no numbers reported'}")


def _download_weights(options: argparse.Namespace) -> None:
    from raypose.weights import address_of, fetch

    print(fetch(address_of(options.source), show=_show_bytes))


def _convert_weights(options: argparse.Namespace) -> None:
    from raypose.models.checkpoint_conversion import convert_checkpoint

    count = convert_checkpoint(options.source, options.target, options.overwrite)
    print(f"{options.target}: {count} tensors")


def _inspect_weights(options: argparse.Namespace) -> None:
    from raypose.models.checkpoint_report import checkpoint_report

    for line in checkpoint_report(options.file):
        print(line)


def _show_bytes(done: int, total: int | None) -> None:
    if sys.stderr.isatty():
        share = "" if not total else f" of {total / 1e6:.1f}"
        _show_line(f"{done / 1e6:.1f}{share} MB")


def _show_line(line: str) -> None:
    end = "\r" if sys.stderr.isatty() else "\n"
    print(line, end=end, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
