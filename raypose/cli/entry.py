"""The command `raypose`: train, eval, report, annotate, serve, manifest, data, weights, ..."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import raypose
from raypose.cli.annotation import add_annotate_command
from raypose.cli.commands import commands_of
from raypose.cli.convert import add_convert_command
from raypose.cli.data import add_data_commands
from raypose.cli.evaluation import add_evaluation_commands
from raypose.cli.output import write_text
from raypose.cli.serving import add_serving_commands
from raypose.cli.skeleton import add_skeleton_commands
from raypose.cli.training import add_pack_command, add_train_command
from raypose.cli.weights import add_weights_commands
from raypose.errors import ConfigError, RayposeError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; what the user can mend is printed without a traceback.

    Args:
        arguments: the words after `raypose`, those of the process by default.

    Returns:
        The exit status: 0, 1 from `data check` for data with errors, 2 for a mistake of the user,
        130 after Ctrl-C, 141 when nobody reads on, 143 for a run that SIGTERM has stopped.
    """
    options = parse(arguments)
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


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
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
    command = commands_of(parser)
    add_train_command(command)
    add_evaluation_commands(command)
    add_pack_command(command)
    add_annotate_command(command)
    add_serving_commands(command)

    demo = command("demo", _demo, "Make data, train, evaluate, annotate and report, all by itself.")
    demo.add_argument("--out", type=Path, default=Path("demo"), help="folder of the results")
    demo.add_argument("--seed", type=int, default=0)

    importer = command(
        "import-mmpose", _import_mmpose, "Translate an MMPose config; executes its Python code."
    )
    importer.add_argument("config", type=Path, help="MMPose config, a Python file")
    importer.add_argument("-o", "--out", type=Path, help="YAML to write (standard output)")

    summary = "Convert, check, count and look at labelled data."
    data = commands_of(command("data", None, summary))
    add_convert_command(data)
    add_data_commands(data)
    summary = "Make and complete the description of keypoints."
    add_skeleton_commands(commands_of(data("skeleton", None, summary)))

    summary = "List, download, convert and inspect weights."
    add_weights_commands(commands_of(command("weights", None, summary)))
    return parser


def _demo(options: argparse.Namespace) -> None:
    from raypose.demo import run_demo

    run_demo(options.out, options.seed, show=lambda line: print(line, flush=True))


def _import_mmpose(options: argparse.Namespace) -> None:
    from raypose.config.mmpose_import import import_mmpose

    print(f"executing {options.config}, which is Python code", file=sys.stderr)
    text = import_mmpose(options.config)
    write_text(text, options.out)
