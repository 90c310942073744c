"""The models that MMPose publishes weights of, by config name and by alias.

The table, `published.json`, holds facts of MMPose 1.3.2: names of configs, addresses, aliases of
its inferencers and the numbers it reports.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from raypose.errors import CheckpointError, did_you_mean
from raypose.weights.addresses import is_address
from raypose.weights.trunks import TRUNKS


@dataclass(frozen=True)
class PublishedModel:
    """One line of the table.

    Attributes:
        config: name of the config, below `configs/` and without suffix.
        url: address of the weights.
        keys: digest of the keys and shapes of its state dict, see
            `raypose.models.checkpoint_keys.key_digest`; None where MMPose cannot build it.
        results: data set and its numbers, as reported.
        aliases: short names.
    """

    config: str
    url: str
    keys: str | None
    results: tuple[tuple[str, Mapping[str, float]], ...]
    aliases: tuple[str, ...]

    @property
    def name(self) -> str:
        """Return the name without folders; no two models share it."""
        return self.config.rpartition("/")[2]

    @property
    def file_name(self) -> str:
        """Return the name of the file of weights."""
        return self.url.rpartition("/")[2]


def published_models() -> Mapping[str, PublishedModel]:
    """Return the models by the names of their configs."""
    return _models()


def find_published(name: str) -> PublishedModel | None:
    """Return the model of a config name, with or without folders, or of an alias."""
    return _by_name().get(name)


def find_published_file(file_name: str) -> PublishedModel | None:
    """Return the model whose weights are in a file of this name."""
    return _by_file().get(file_name)


def address_of(source: str) -> str:
    """Return the address of a published model's or a trunk's weights, or an address as it is.

    Raises:
        CheckpointError: if the source is neither, with the nearest name.
    """
    if is_address(source):
        return source
    if source in TRUNKS:
        return TRUNKS[source]
    model = find_published(source)
    if model is None:
        raise CheckpointError(
            f"no published model is called '{source}'.{did_you_mean(source, published_names())} "
            "'raypose weights list' shows them all; an address starts with https://, http:// or "
            "file://"
        )
    return model.url


def published_names() -> list[str]:
    """Return every short name: aliases, then configs without folders."""
    return [*sorted(_table()["aliases"]), *sorted(model.name for model in _models().values())]


def publisher_host() -> str:
    """Return the address below which all weights of the table are."""
    return _table()["host"]


@cache
def _table() -> dict[str, Any]:
    text = files("raypose.weights").joinpath("published.json").read_text(encoding="utf-8")
    return json.loads(text)


@cache
def _models() -> dict[str, PublishedModel]:
    table = _table()
    aliases: dict[str, list[str]] = {}
    for alias, config in table["aliases"].items():
        aliases.setdefault(config, []).append(alias)
    return {
        config: PublishedModel(
            config=config,
            url=table["host"] + entry["file"],
            keys=entry["keys"],
            results=tuple((data, numbers) for data, numbers in entry["results"]),
            aliases=tuple(aliases.get(config, ())),
        )
        for config, entry in table["models"].items()
    }


@cache
def _by_name() -> dict[str, PublishedModel]:
    names = dict(_models())
    names.update({model.name: model for model in _models().values()})
    names.update({alias: model for model in _models().values() for alias in model.aliases})
    return names


@cache
def _by_file() -> dict[str, PublishedModel]:
    return {model.file_name: model for model in _models().values()}
