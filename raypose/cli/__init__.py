"""The command `raypose`: a file for each family of commands, `entry` puts them together."""

from raypose.cli.entry import main

__all__ = ["main"]
