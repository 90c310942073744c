"""Files of a config as a container sees them: below the folder where their volume is mounted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from raypose.config.lookup import SUFFIXES, config_folders
from raypose.config.sections import ServeSection
from raypose.errors import ConfigError
from raypose.weights import is_address


class ContainerPaths:
    """Where files lie in a container whose volume holds the folder of a config.

    Args:
        local: the folder here.
        mounted: the folder there.

    Attributes:
        files: what the volume has to hold, relative to the folder.
    """

    def __init__(self, local: Path, mounted: str) -> None:
        self._local = local.resolve()
        self._mounted = PurePosixPath(mounted)
        self.files: list[str] = []

    def of(self, name: str, key: str) -> str:
        """Return what a container calls a file.

        Args:
            name: a file; an address stays what it is, and so does a config that comes with
                raypose, under its name.
            key: where it is named, for messages.

        Raises:
            ConfigError: if there is no such file, or it lies outside of the folder.
        """
        if is_address(name):
            return name
        found = next((p for p in (self._local / name, Path(name)) if p.is_file()), None)
        if found is None:
            raise ConfigError(f"{key}: there is no file '{name}'")
        path = found.resolve()
        for root in config_folders():
            if path.suffix in SUFFIXES and path.is_relative_to(root):
                return path.relative_to(root).with_suffix("").as_posix()
        if not path.is_relative_to(self._local):
            raise ConfigError(
                f"{key}: {path} lies outside of {self._local}, the folder that goes to the volume "
                f"mounted at {self._mounted}; move the file into it, or give its address"
            )
        inside = path.relative_to(self._local).as_posix()
        if inside not in self.files:
            self.files.append(inside)
        return str(self._mounted / inside)


def in_container(section: ServeSection, paths: ContainerPaths) -> ServeSection:
    """Return the section with the files of a container.

    Raises:
        ConfigError: with every file that is missing or cannot be there.
    """
    data = section.model_dump(exclude_unset=True)
    problems: list[str] = []
    for stage, key in _stages(data):
        holder = data
        for part in stage:
            holder = holder[part]
        if holder.get(key) is None:
            continue
        try:
            holder[key] = paths.of(holder[key], ".".join(("serve", *stage, key)))
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(problems)
    return ServeSection.model_validate(data)


def _stages(data: dict[str, Any]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Give every place of a section that may name a file."""
    named = [("pose", "models", name) for name in data.get("pose", {}).get("models", {})]
    for stage in [("pose",), *named, ("lifter",)]:
        if data.get(stage[0]) is not None:
            yield from ((stage, key) for key in ("config", "weights"))
    if data.get("detector") is not None:
        yield from ((("detector",), key) for key in ("model", "weights"))
