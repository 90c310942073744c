"""Registries: from the `type` of a config to the class it names.

`MODELS` holds backbones, necks, heads, losses, preprocessors, estimators and detectors; `CODECS`,
`TRANSFORMS`, `DATASETS`, `METRICS`, `OPTIMIZERS` and `SCHEDULES` hold what their names say. A
registry imports the package that fills it at the first look-up: `import raypose` stays light.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar, get_args, get_origin

from typing_extensions import Unpack, get_type_hints, is_typeddict

from raypose.errors import ConfigError, did_you_mean

T = TypeVar("T", bound=Callable[..., Any])


class Registry:
    """Classes (or functions) by name, and how to build them from a mapping with a `type`.

    Args:
        kind: what the entries are, for messages ("model", "codec", ...).
        locations: modules to import before the first look-up; importing them registers the
            built-in entries.
    """

    def __init__(self, kind: str, *, locations: Sequence[str] = ()) -> None:
        self.kind = kind
        self._locations = tuple(locations)
        self._entries: dict[str, Callable[..., Any]] = {}
        self._loaded = False

    def __repr__(self) -> str:
        return f"Registry({self.kind!r}, {len(self._entries)} entries)"

    def __contains__(self, name: str) -> bool:
        return self.find(name) is not None

    def __iter__(self) -> Iterator[str]:
        self._load()
        return iter(sorted(self._entries))

    def __len__(self) -> int:
        self._load()
        return len(self._entries)

    def register_module(
        self,
        name: str | Sequence[str] | None = None,
        force: bool = False,
        module: Callable[..., Any] | None = None,
    ) -> Any:
        """Register a class, as a decorator or directly with `module`.

        Args:
            name: one name or several; the name of the class by default.
            force: replace an entry of the same name instead of raising.
            module: the class, when not used as a decorator.

        Returns:
            The class, or the decorator.

        Raises:
            TypeError: for `@register_module` without parentheses or a `name` that is no name.
            KeyError: if the name is taken by another class and `force` is false.
        """
        if not (name is None or isinstance(name, str) or _is_names(name)):
            raise TypeError(
                f"name must be a string or a sequence of strings, got {name!r}; "
                "as a decorator write @REGISTRY.register_module()"
            )

        def register(entry: T) -> T:
            names = [entry.__name__] if name is None else [name] if isinstance(name, str) else name
            for item in names:
                known = self._entries.get(item)
                # The same file executed again (a notebook cell, a second import path) is no clash.
                if known is not None and not force and not _same_definition(known, entry):
                    raise KeyError(
                        f"{item!r} is already registered as a {self.kind} by "
                        f"{known.__module__}; pass force=True to replace it"
                    )
                self._entries[item] = entry
            return entry

        return register if module is None else register(module)

    def find(self, name: str) -> Callable[..., Any] | None:
        """Return the entry of that name or None; an MMPose scope (`mmdet.CSPNeXt`) is dropped."""
        self._load()
        return self._entries.get(name) or self._entries.get(name.rsplit(".", 1)[-1])

    def get(self, name: str) -> Callable[..., Any]:
        """Return the entry of that name.

        Raises:
            ConfigError: if there is none, with the nearest name.
        """
        entry = self.find(name)
        if entry is None:
            raise ConfigError(f"unknown {self.kind} '{name}'.{self.suggest(name)}")
        return entry

    def suggest(self, name: str) -> str:
        """Return what to say about an unknown name: the nearest one, or how to add it."""
        near = did_you_mean(name, iter(self))
        return near or (
            f" Register it with @{self.kind.upper()}S.register_module() "
            "in a module named under 'imports:'."
        )

    def build(self, cfg: Any, **defaults: Any) -> Any:
        """Build an entry from a mapping with a `type`; an object already built passes through.

        Args:
            cfg: mapping with `type` (a name or the class itself) and constructor arguments, or an
                object that is returned as it is.
            defaults: arguments for those that `cfg` does not give.

        Raises:
            ConfigError: if `type` is missing or unknown, or the arguments do not fit.
        """
        if not isinstance(cfg, Mapping):
            if cfg is None or isinstance(cfg, (str, int, float, list)):
                raise ConfigError(
                    f"a {self.kind} is built from a mapping with 'type' or passed as an object, "
                    f"got {cfg!r}"
                )
            return cfg
        arguments = {**defaults, **cfg}
        if "type" not in arguments:
            raise ConfigError(f"a {self.kind} needs 'type', got the keys {sorted(arguments)}")
        kind = arguments.pop("type")
        entry = self.get(kind) if isinstance(kind, str) else kind
        problems = argument_problems(entry, arguments)
        if problems:
            raise ConfigError([message for _, message in problems])
        return entry(**arguments)

    def _load(self) -> None:
        if not self._loaded:
            self._loaded = True  # first: the modules below import this registry
            for location in self._locations:
                importlib.import_module(location)


def argument_problems(
    entry: Callable[..., Any], arguments: Mapping[str, Any]
) -> list[tuple[str | None, str]]:
    """Say how `arguments` do not fit the signature of `entry`.

    Returns:
        Pairs (argument at fault or None for a missing one, message); empty if they fit. A missing
        argument is left out where a misspelling of it is reported already.
    """
    name = entry.__name__
    parameters = inspect.signature(entry).parameters
    accepted: list[str] | None = [
        n for n, p in parameters.items() if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    ]
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        options = unpacked_options(entry)
        accepted = [*accepted, *options] if options else None
    problems: list[tuple[str | None, str]] = []
    suggested: set[str] = set()
    if accepted is not None:
        for key in arguments:
            if key not in accepted:
                hint = did_you_mean(key, [a for a in accepted if a not in arguments])
                suggested.update(part for part in hint.split("'")[1:2])
                problems.append((key, f"{name} takes no argument '{key}'.{hint}"))
    for key, parameter in parameters.items():
        required = parameter.default is parameter.empty and parameter.kind in (
            parameter.POSITIONAL_OR_KEYWORD,
            parameter.KEYWORD_ONLY,
        )
        if required and key not in arguments and key not in suggested:
            problems.append((None, f"{name} needs '{key}'"))
    return problems


def unpacked_options(entry: Callable[..., Any]) -> dict[str, Any]:
    """Return name and type of each argument that `**options: Unpack[SomeTypedDict]` stands for."""
    function = entry.__init__ if isinstance(entry, type) else entry
    try:
        hints = get_type_hints(function)
        members = [get_args(hint)[0] for hint in hints.values() if get_origin(hint) is Unpack]
        tables = [get_type_hints(member) for member in members if is_typeddict(member)]
    except Exception:
        # A name that only a type checker can resolve: nothing is known then.
        return {}
    return tables[0] if tables else {}


def _is_names(name: Any) -> bool:
    return isinstance(name, (list, tuple)) and all(isinstance(item, str) for item in name)


def _same_definition(one: Callable[..., Any], other: Callable[..., Any]) -> bool:
    if one is other:
        return True
    return one.__qualname__ == other.__qualname__ and _source_file(one) == _source_file(other)


def _source_file(entry: Callable[..., Any]) -> str | None:
    try:
        return inspect.getsourcefile(entry)
    except TypeError:
        return None


MODELS = Registry("model", locations=["raypose.models"])
CODECS = Registry("codec", locations=["raypose.codecs"])
TRANSFORMS = Registry("transform", locations=["raypose.transforms"])
DATASETS = Registry("dataset", locations=["raypose.datasets"])
METRICS = Registry("metric", locations=["raypose.evaluation"])
OPTIMIZERS = Registry("optimizer", locations=["raypose.training.optimizer"])
SCHEDULES = Registry("schedule", locations=["raypose.training.schedules"])
