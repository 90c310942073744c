"""What commands have in common: how one is added, and the arguments of a config."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

AddCommand = Callable[..., argparse.ArgumentParser]
"""Adds a command to a parser, given its name, function and summary."""


def commands_of(parser: argparse.ArgumentParser) -> AddCommand:
    """Return what adds a command to a parser, given its name, function and summary."""
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def command(name: str, run: Any, summary: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=summary, description=summary)
        added.set_defaults(run=run)
        return added

    return command


def add_config(parser: argparse.ArgumentParser) -> None:
    """Add the arguments `config` and `key=value`."""
    parser.add_argument("config", help="config file or the name of one that comes with raypose")
    parser.add_argument("overrides", nargs="*", metavar="key=value")
