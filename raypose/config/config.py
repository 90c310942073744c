"""`Config`: a checked experiment, from a YAML file or from the resolved copy that a run keeps."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from raypose.config.checking import type_problems
from raypose.config.imports import import_modules
from raypose.config.loading import dump, parse
from raypose.config.lookup import find_config
from raypose.config.merging import read_with_bases
from raypose.config.nodes import Mark, Node, Problem, from_plain, report
from raypose.config.overrides import apply_overrides
from raypose.config.references import resolve_references
from raypose.config.rules import rule_problems
from raypose.config.sections import (
    AnnotateSection,
    ClusterSection,
    DataSection,
    Experiment,
    ServeSection,
    TrainSection,
)
from raypose.config.validation import section_problems
from raypose.errors import ConfigError
from raypose.structures import Skeleton, SkeletonError

_SECTIONS = tuple(Experiment.model_fields)


@dataclass(frozen=True)
class Config:
    """An experiment: plain data that travels, and typed sections to read it by.

    Attributes:
        nodes: the config, references resolved, with the place of every key.
        path: the file it was read from, if any.
    """

    nodes: Node
    path: Path | None = None

    @classmethod
    def from_resolved(cls, data: Mapping[str, Any]) -> Config:
        """Return the config of a worker or a checkpoint from `data`.

        The modules under `imports` are imported; nothing else is checked again but the sections.

        Raises:
            ConfigError: if an import fails or a section is not what this version expects.
        """
        config = cls(from_plain(dict(data), Mark("resolved config")))
        problems = _import_problems(config.nodes)
        problems += _section_problems(config.nodes)
        if problems:
            raise ConfigError(report(problems))
        return config

    @classmethod
    def from_yaml(cls, text: str) -> Config:
        """Return the config that `to_yaml` wrote; see `from_resolved`."""
        return cls.from_resolved(parse(text, Mark("resolved config"), []).plain())

    @cached_property
    def data(self) -> dict[str, Any]:
        """Return the whole config as plain data: mappings, lists and scalars."""
        return self.nodes.plain()

    def to_yaml(self) -> str:
        """Return the whole config as YAML, self-contained, to be loaded again."""
        return dump(self.data)

    @cached_property
    def experiment(self) -> Experiment:
        """Return the typed sections."""
        return Experiment.model_validate(self.data)

    @cached_property
    def skeleton(self) -> Skeleton | None:
        """Return the skeleton, None if data and model bring their own."""
        source = self.data.get("skeleton")
        return None if source is None else Skeleton.load(source)

    @property
    def train(self) -> TrainSection:
        """Return `train:`."""
        return self.experiment.train

    @property
    def data_options(self) -> DataSection:
        """Return `data:`."""
        return self.experiment.data

    @property
    def cluster(self) -> ClusterSection:
        """Return `cluster:`."""
        return self.experiment.cluster

    @property
    def annotate(self) -> AnnotateSection:
        """Return `annotate:`."""
        return self.experiment.annotate

    @property
    def serve(self) -> ServeSection:
        """Return `serve:`."""
        return self.experiment.serve


def load_config(name: str | Path, overrides: Sequence[str] = ()) -> Config:
    """Read a config, import the modules it names and check all of it.

    Args:
        name: a file, or the name of one that comes with raypose
            (`rtmpose/coco/rtmpose-s_...`).
        overrides: `key.path=value`, as on the command line.

    Raises:
        ConfigError: with every mistake, each as
            `file:line: key.path: what, what was expected, the nearest right name`.
    """
    path = find_config(name)
    problems: list[Problem] = []
    root = read_with_bases(path, problems)
    root = apply_overrides(root, overrides, _SECTIONS, problems)
    root = resolve_references(root, problems)
    root = _with_import_paths(root, path)
    root = _with_inline_skeleton(root)
    config = Config(root, path)
    problems += config_problems(config)
    if problems:
        raise ConfigError(report(problems))
    return config


def check_config(config: Config) -> None:
    """Check all of a config again, such as after a change to its data.

    Raises:
        ConfigError: with every mistake.
    """
    problems = config_problems(config)
    if problems:
        raise ConfigError(report(problems))


def config_problems(config: Config) -> list[Problem]:
    """Return every mistake of a config, whose imports are imported for that.

    What is only wrong because a reference leads nowhere, which is reported already, is left out.
    """
    root = config.nodes
    problems = _import_problems(root)
    problems += _section_problems(root)
    problems += type_problems(root)
    skeleton = _skeleton(config, problems)
    problems += rule_problems(root, skeleton)
    broken = {path for path, node in root.walk() if node.broken}
    return [p for p in problems if not any(p.path[: len(path)] == path for path in broken)]


def _section_problems(root: Node) -> list[Problem]:
    return [
        Problem(root.nearest(path).mark, path, message)
        for path, message in section_problems(Experiment, root.plain())
    ]


def _skeleton(config: Config, problems: list[Problem]) -> Skeleton | None:
    """Return the skeleton, None if there is none or it has mistakes."""
    node = config.nodes.child("skeleton")
    if node is None or not isinstance(node.value, (str, dict)):
        return None
    try:
        return config.skeleton
    except ConfigError as error:
        if isinstance(error, SkeletonError) and isinstance(node.value, dict):
            problems += [
                Problem(node.nearest(path).mark, ("skeleton", *path), message)
                for path, message in error.mistakes
            ]
        else:
            problems += [Problem(node.mark, ("skeleton",), line) for line in error.problems]
        return None


def _import_problems(root: Node) -> list[Problem]:
    names, folders = root.child("imports"), root.child("import_paths")
    if names is None or not isinstance(names.value, list):
        return []
    items = [(i, node) for i, node in enumerate(names.value) if isinstance(node.value, str)]
    paths = [] if folders is None else [p for p in folders.plain() if isinstance(p, str)]
    failures = import_modules([node.value for _, node in items], paths)
    return [
        Problem(node.mark, ("imports", i), failure)
        for (i, node), failure in zip(items, failures, strict=True)
        if failure is not None
    ]


def _with_import_paths(root: Node, path: Path) -> Node:
    """Add the folders that `imports` are found in: those of the files that name them, the cwd."""
    names = root.child("imports")
    if names is None or not isinstance(names.value, list) or not names.value:
        return root
    given = root.child("import_paths")
    folders = []
    for node in given.value if given is not None and isinstance(given.value, list) else []:
        folders.append(os.path.join(_folder(node, path), str(node.value)))
    folders += [_folder(node, path) for node in names.value]
    folders += [str(path.parent), str(Path.cwd())]
    mark = names.mark if given is None else given.mark
    entries = {**root.value, "import_paths": from_plain(list(dict.fromkeys(folders)), mark)}
    return Node(entries, root.mark)


def _with_inline_skeleton(root: Node) -> Node:
    """Put the content of a skeleton file into the config, so that it travels with it."""
    node = root.child("skeleton")
    if (
        node is None
        or not isinstance(node.value, str)
        or not node.value.endswith((".yaml", ".yml"))
    ):
        return root
    for folder in (_folder(node, Path.cwd() / "_"), str(Path.cwd())):
        file = Path(folder) / node.value
        if file.is_file():
            try:
                content = Skeleton.load(file).to_dict()
            except ConfigError:
                content = str(file)  # reported with the rest, by the check of the skeleton
            return Node({**root.value, "skeleton": from_plain(content, node.mark)}, root.mark)
    return root


def _folder(node: Node, default: Path) -> str:
    """Return the folder of the file a node is from; the default's for the command line."""
    file = Path(node.mark.file)
    return str(file.parent if file.is_absolute() else default.parent)
