"""The file of `raypose serve`: which models stand behind the address, and how."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from raypose.config.config import load_config
from raypose.config.lookup import find_config
from raypose.config.merging import read_with_bases
from raypose.config.nodes import KeyPath, Node, Problem, report
from raypose.config.overrides import apply_overrides
from raypose.config.references import resolve_references
from raypose.config.sections import ServeSection
from raypose.config.validation import section_problems
from raypose.errors import ConfigError, did_you_mean
from raypose.weights import is_address

_CHECKPOINTS = (".pth", ".pt", ".safetensors")


def load_serve_config(name: str | Path, overrides: Sequence[str] = ()) -> ServeSection:
    """Read what to serve.

    Args:
        name: a serve file (the keys of `ServeSection` at its top), or the config of an experiment,
            whose `serve:` is taken and whose own model is the pose model.
        overrides: `key.path=value`, as on the command line.

    Returns:
        The section; files that lie beside the serve file have their full path.

    Raises:
        ConfigError: with every mistake, files that are missing among them.
    """
    path = find_config(name)
    problems: list[Problem] = []
    root = read_with_bases(path, problems)
    if root.child("model") is not None:
        section = load_config(path, overrides).serve
        if section.pose.config is not None or section.pose.models:
            return section
        return section.model_copy(
            update={"pose": section.pose.model_copy(update={"config": str(path)})}
        )
    root = apply_overrides(root, overrides, tuple(ServeSection.model_fields), problems)
    root = resolve_references(root, problems)
    problems += [
        Problem(root.nearest(at).mark, at, message)
        for at, message in section_problems(ServeSection, root.plain())
    ]
    for at in _files(root):
        root = _with_full_path(root, at, path.parent, problems)
    pose = root.child("pose")
    if pose is None or not {"config", "weights", "models"} & set(pose.keys()):
        message = "'config', or 'weights' that hold their config, is missing"
        problems.append(Problem(root.nearest(("pose",)).mark, ("pose",), message))
    if problems:
        raise ConfigError(report(problems))
    return ServeSection.model_validate(root.plain())


def _files(root: Node) -> list[KeyPath]:
    """Return the keys under which there may be files."""
    several = root.at(("pose", "models"))
    names = [] if several is None or not isinstance(several.value, dict) else several.value
    models: list[KeyPath] = [("pose",), ("lifter",), *(("pose", "models", n) for n in names)]
    return [("detector", "model"), ("detector", "weights")] + [
        (*at, key) for at in models for key in ("config", "weights")
    ]


def _with_full_path(root: Node, at: KeyPath, folder: Path, problems: list[Problem]) -> Node:
    """Return the tree with the file at a key found; report it if there is none."""
    node = root.at(at)
    if node is None or not isinstance(node.value, str):
        return root
    if at[-1] == "weights" and is_address(node.value):
        return root
    try:
        found = _find(node.value, folder, is_config=at[-1] in ("config", "model"))
    except ConfigError as error:
        problems.append(Problem(node.mark, at, str(error)))
        return root
    return root.replaced(at, Node(str(found), node.mark))


def _find(name: str, folder: Path, is_config: bool) -> Path:
    for candidate in (folder / name, Path(name)):
        if candidate.is_file():
            return candidate.resolve()
    if is_config and Path(name).suffix not in _CHECKPOINTS:
        return find_config(name)
    parent = (folder / name).parent
    nearby = [p.name for p in parent.iterdir()] if parent.is_dir() else []
    raise ConfigError(f"there is no file '{name}'.{did_you_mean(Path(name).name, nearby)}")
