"""Finding a config by its path, by its name below `configs/` or by the alias of a model."""

from __future__ import annotations

from pathlib import Path

import raypose
from raypose.errors import ConfigError, did_you_mean
from raypose.weights import PublishedModel, find_published, published_models, published_names

SUFFIXES = (".yaml", ".yml")


def find_config(name: str | Path) -> Path:
    """Return the file that a path or a name means.

    Args:
        name: a path, or a name below `configs/` of the checkout or of the installed package;
            `.yaml` and the folders may be left out where the rest is unique. Or a short name of a
            published model, such as `human` or `rtmpose-m`; `raypose weights list` shows them.

    Raises:
        ConfigError: if there is no such file, with the nearest name.
    """
    given = Path(name)
    for candidate in _spellings(given):
        if candidate.is_file():
            return candidate.resolve()
    published = find_published(_stem(given))
    if published is not None and given.name in published.aliases:
        return _config_of(published, str(name))
    for root in config_folders():
        for candidate in _spellings(root / given):
            if candidate.is_file():
                return candidate.resolve()
    known = available_configs()
    same_stem = [entry for entry in known if Path(entry).name == Path(_stem(given)).name]
    if len(given.parts) == 1 and len(same_stem) == 1:
        return find_config(same_stem[0])
    if len(given.parts) == 1 and same_stem:
        raise ConfigError(f"'{name}' could be any of {', '.join(same_stem)}")
    if published is not None:
        return _config_of(published, str(name))
    if given.is_dir():
        raise ConfigError(f"'{name}' is a folder, a config is a .yaml file")
    raise ConfigError(
        f"there is no config '{name}', neither a file nor a name.{_hint(given, known)}"
    )


def available_configs() -> list[str]:
    """Return the names of the configs that come with raypose, without suffix."""
    names: set[str] = set()
    for root in config_folders():
        for path in root.rglob("*.yaml"):
            parts = path.relative_to(root).parts
            if not any(part.startswith("_") for part in parts):
                names.add("/".join(parts)[: -len(path.suffix)])
    return sorted(names)


def config_folders() -> list[Path]:
    """Return the folders that names are looked up in: the checkout's and the package's."""
    package = Path(raypose.__file__).resolve().parent
    folders = [package.parent / "configs", package / "configs"]
    return [folder for folder in folders if folder.is_dir()]


def published_model(config: Path) -> PublishedModel | None:
    """Return the published model of a config file, None if it is no shipped config of one."""
    for root in config_folders():
        if config.is_relative_to(root):
            name = config.relative_to(root).with_suffix("").as_posix()
            return published_models().get(name)
    return None


def _config_of(model: PublishedModel, name: str) -> Path:
    for root in config_folders():
        path = root / f"{model.config}.yaml"
        if path.is_file():
            return path.resolve()
    raise ConfigError(
        f"'{name}' is MMPose's {model.config}, which raypose has no config of yet. Translate "
        f"MMPose's own with 'raypose import-mmpose' and give it the weights {model.url}"
    )


def _spellings(path: Path) -> list[Path]:
    if path.suffix in SUFFIXES:
        return [path]
    return [Path(f"{path}{suffix}") for suffix in SUFFIXES] + [path]


def _stem(path: Path) -> str:
    return str(path.with_suffix("")) if path.suffix in SUFFIXES else str(path)


def _hint(given: Path, known: list[str]) -> str:
    siblings = []
    if given.parent.is_dir():
        siblings = [str(p) for s in SUFFIXES for p in sorted(given.parent.glob(f"*{s}"))]
    near = (
        did_you_mean(str(given), siblings)
        or did_you_mean(_stem(given), known)
        or did_you_mean(_stem(given), published_names())
    )
    if near:
        return near
    by_stem = {Path(entry).name: entry for entry in known}
    hint = did_you_mean(Path(_stem(given)).name, by_stem)
    return f" Did you mean '{by_stem[hint.split(chr(39))[1]]}'?" if hint else ""
