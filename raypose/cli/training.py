"""The commands `raypose train` and `raypose pack`."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from raypose.cli.commands import AddCommand, add_config
from raypose.cli.evaluation import write_report_of
from raypose.errors import RayposeError


def add_train_command(command: AddCommand) -> None:
    """Add `train` to the commands of `raypose`."""
    train = command("train", _train, "Train a model from a config.")
    add_config(train)
    train.add_argument("--work-dir", type=Path, help="folder of the results (work_dirs/NAME)")
    train.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
    train.add_argument(
        "--dry-run", action="store_true", help="check the config and print it resolved"
    )


def add_pack_command(command: AddCommand) -> None:
    """Add `pack` to the commands of `raypose`."""
    pack = command("pack", _pack, "Put a training set into a few files, cut to what crops show.")
    add_config(pack)
    pack.add_argument("-o", "--out", type=Path, required=True, help="new folder")
    pack.add_argument("--quality", type=int, default=95, help="of the JPEGs that are cut out (95)")
    pack.add_argument("--lossless", action="store_true", help="PNG in place of JPEG")
    pack.add_argument("--shard-mb", type=int, default=256, help="size of a file (256)")
    pack.add_argument("--workers", type=int, help="processes (one a core)")
    pack.add_argument("--overwrite", action="store_true", help="replace what is packed in --out")


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
    from raypose.training.feeds.packing import PackOptions, pack

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
