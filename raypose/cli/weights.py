"""The commands of `raypose weights`."""

from __future__ import annotations

import argparse
from pathlib import Path

from raypose.cli.commands import AddCommand
from raypose.cli.output import show_bytes


def add_weights_commands(command: AddCommand) -> None:
    """Add `list`, `download`, `convert` and `inspect` to the commands of `raypose weights`."""
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

    print(fetch(address_of(options.source), show=show_bytes))


def _convert_weights(options: argparse.Namespace) -> None:
    from raypose.models.checkpoint_conversion import convert_checkpoint

    count = convert_checkpoint(options.source, options.target, options.overwrite)
    print(f"{options.target}: {count} tensors")


def _inspect_weights(options: argparse.Namespace) -> None:
    from raypose.models.checkpoint_report import checkpoint_report

    for line in checkpoint_report(options.file):
        print(line)
