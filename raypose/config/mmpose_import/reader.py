"""MMPose's Python configs, read to plain data.

Such a config is a program: reading it runs it. Nothing of MMPose or MMEngine has to be installed;
what a config imports from elsewhere than the standard library becomes the dotted name it stands
for. Both styles are read: `_base_ = [...]` with `_base_.x`, `{{_base_.x}}` and `_delete_`, and
`with read_base(): from ... import *`.
"""

from __future__ import annotations

import ast
import re
import sys
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from raypose.config.mmpose_import.default_runtime import MODULE, default_runtime
from raypose.errors import ConfigError

_BASE = "_base_"
_DELETE = "_delete_"
_TEMPLATE = re.compile(r"""(?P<quote>['"]?)\{\{\s*(?P<what>[^{}]+?)\s*\}\}(?P=quote)""")


def read_mmpose_config(path: str | Path) -> dict[str, Any]:
    """Run a config with everything it inherits from and return its variables.

    Args:
        path: the Python file.

    Returns:
        Plain data; classes are their dotted names (new style), tuples stay tuples.

    Raises:
        ConfigError: if a file is missing, fails or uses what cannot be read, with file and line.
    """
    return _plain(_Run(Path(path).resolve(), (), []).variables())


def config_files(path: str | Path) -> list[Path]:
    """Run a config and return it and the files it inherits from, the nearest ones first.

    Raises:
        ConfigError: see `read_mmpose_config`.
    """
    files: list[Path] = []
    _Run(Path(path).resolve(), (), files).variables()
    return list(dict.fromkeys(files))


class ImportedName(str):
    """A class or module of a package that is not needed here, as its dotted name."""

    def __getattr__(self, name: str) -> ImportedName:
        if name.startswith("__"):
            raise AttributeError(name)
        return ImportedName(f"{self}.{name}")


class _Run:
    """One file on its way to variables.

    Args:
        file: the config.
        chain: files that led here, against cycles.
        files: gets this one and those it inherits from.
    """

    def __init__(self, file: Path, chain: tuple[Path, ...], files: list[Path]) -> None:
        if file in chain:
            names = " -> ".join(p.name for p in (*chain, file))
            raise ConfigError(f"{file}: configs inherit in a circle: {names}")
        self.file = file
        self.chain = (*chain, file)
        self.files = files
        files.append(file)

    def variables(self) -> dict[str, Any]:
        """Return what the file defines over what it inherits."""
        try:
            source = self.file.read_text(encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"{self.file}: cannot be read: {error}") from error
        tree = self._parse(_without_templates(source, self.file))
        body: list[ast.stmt] = []
        base: dict[str, Any] = {}
        new_style = False
        namespace: dict[str, Any] = {"__file__": str(self.file)}
        for statement in tree.body:
            if _assigns_base(statement):
                base = self._bases(statement)
            elif _is_read_base(statement):
                assert isinstance(statement, ast.With)
                new_style = True
                for line in statement.body:
                    namespace.update(self._brought_in(line))
            else:
                body.append(statement)
        namespace[_BASE] = _inherited(base)
        self._execute(body, namespace)
        own = _public(namespace, new_style)
        return _merged(base, own, self.file) if base else own

    def _parse(self, source: str) -> ast.Module:
        try:
            return ast.parse(source, str(self.file))
        except SyntaxError as error:
            raise ConfigError(
                f"{self.file}:{error.lineno}: not valid Python: {error.msg}"
            ) from error

    def _bases(self, statement: ast.stmt) -> dict[str, Any]:
        """Return the merged variables of the files that `_base_` lists."""
        assert isinstance(statement, ast.Assign)
        listed = ast.literal_eval(statement.value)
        merged: dict[str, Any] = {}
        for name in [listed] if isinstance(listed, str) else listed:
            file = self._base_file(name)
            if file is None:
                raise ConfigError(
                    f"{self.file}:{statement.lineno}: no file '{name}' to inherit from"
                )
            found = _Run(file, self.chain, self.files).variables()
            if "::" in name:
                found = _scoped(found, name.split("::", 1)[0])
            twice = sorted(merged.keys() & found.keys())
            if twice:
                raise ConfigError(
                    f"{self.file}:{statement.lineno}: two bases define {', '.join(twice)}"
                )
            merged.update(found)
        return merged

    def _base_file(self, name: str) -> Path | None:
        """Return the file of an entry of `_base_`; `mmpose::x` lies in a `configs` folder."""
        folders = [self.file.parent]
        if "::" in name:
            name = name.split("::", 1)[1]
            folders = [p for p in self.file.parents if p.name == "configs"]
        files = [(folder / name).resolve() for folder in folders]
        return next((file for file in files if file.is_file()), None)

    def _brought_in(self, line: ast.stmt) -> dict[str, Any]:
        """Return what one import below `with read_base():` brings."""
        if not isinstance(line, ast.ImportFrom):
            raise ConfigError(f"{self.file}:{line.lineno}: only 'from ... import' can be inherited")
        file = self._module_file(line)
        run = None if file is None else _Run(file, self.chain, self.files)
        found = default_runtime() if run is None else run.variables()
        found = {name: _inherited(value) for name, value in found.items()}
        if line.names[0].name == "*":
            return found
        names = {alias.asname or alias.name: alias.name for alias in line.names}
        missing = [name for name in names.values() if name not in found]
        if missing:
            raise ConfigError(f"{self.file}:{line.lineno}: nothing is called {', '.join(missing)}")
        return {given: found[name] for given, name in names.items()}

    def _module_file(self, line: ast.ImportFrom) -> Path | None:
        """Return the file of a module, None for the one that releases leave out."""
        parts = (line.module or "").split(".")
        if line.level:
            folder = self.file.parents[line.level - 1]
            candidates = [folder.joinpath(*parts)]
        else:
            candidates = [parent.joinpath(*parts) for parent in self.file.parents]
        for candidate in candidates:
            if candidate.with_suffix(".py").is_file():
                return candidate.with_suffix(".py")
        if line.module == MODULE:
            return None
        name = "." * line.level + (line.module or "")
        raise ConfigError(f"{self.file}:{line.lineno}: no file for '{name}' to inherit from")

    def _execute(self, body: list[ast.stmt], namespace: dict[str, Any]) -> None:
        for statement in body:
            if isinstance(statement, (ast.Import, ast.ImportFrom)):
                namespace.update(self._imported(statement))
                continue
            code = compile(ast.Module([statement], []), str(self.file), "exec")
            try:
                exec(code, namespace)
            except Exception as error:
                message = f"{type(error).__name__}: {error}"
                raise ConfigError(f"{self.file}:{statement.lineno}: {message}") from error

    def _imported(self, statement: ast.Import | ast.ImportFrom) -> dict[str, Any]:
        module = statement.module or "" if isinstance(statement, ast.ImportFrom) else None
        roots = [module] if module is not None else [alias.name for alias in statement.names]
        if all(root.split(".")[0] in sys.stdlib_module_names for root in roots):
            namespace: dict[str, Any] = {}
            exec(compile(ast.Module([statement], []), str(self.file), "exec"), namespace)
            namespace.pop("__builtins__")
            return namespace
        if module is None:
            return {
                alias.asname or alias.name.split(".")[0]: ImportedName(
                    alias.name if alias.asname else alias.name.split(".")[0]
                )
                for alias in statement.names
            }
        return {
            alias.asname or alias.name: ImportedName(f"{module}.{alias.name}")
            for alias in statement.names
            if alias.name != "read_base"
        }


class _Inherited(dict[str, Any]):
    """A mapping of a base: read as `_base_.model.backbone`, and `update` merges deeply."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError as error:
            raise AttributeError(f"the base config has no '{name}'") from error

    def update(self, *others: Any, **entries: Any) -> None:
        """Merge as MMEngine's configs do."""
        for key, value in dict(*others, **entries).items():
            before = self.get(key)
            if isinstance(before, _Inherited) and isinstance(value, Mapping):
                before.update(value)
            else:
                self[key] = _inherited(value)


def _inherited(value: Any) -> Any:
    """Return a copy of inherited data, to be changed by the config that inherits."""
    if isinstance(value, Mapping):
        return _Inherited({key: _inherited(item) for key, item in value.items()})
    return [_inherited(item) for item in value] if isinstance(value, list) else value


def _scoped(value: Any, scope: str) -> Any:
    """Note where names are to be looked up, on the outermost mappings that have a `type`."""
    if isinstance(value, dict):
        if "type" in value:
            return {**value, "_scope_": scope}
        return {key: _scoped(item, scope) for key, item in value.items()}
    return [_scoped(item, scope) for item in value] if isinstance(value, list) else value


def _merged(base: dict[str, Any], own: Mapping[str, Any], file: Path) -> dict[str, Any]:
    """Return `own` over `base`: mappings merge, `_delete_` and anything else replaces."""
    merged = dict(base)
    for key, value in own.items():
        before = merged.get(key)
        if not isinstance(value, Mapping):
            merged[key] = value
        elif key in merged and not value.get(_DELETE, False):
            if not isinstance(before, Mapping):
                raise ConfigError(
                    f"{file}: '{key}' is a mapping here and {type(before).__name__} in its base; "
                    f"'{_DELETE}=True' replaces it"
                )
            merged[key] = _merged(dict(before), value, file)
        else:
            merged[key] = {k: v for k, v in value.items() if k != _DELETE}
    return merged


def _without_templates(source: str, file: Path) -> str:
    """Turn `{{ _base_.x }}` into an expression and `{{ fileDirname }}` into its text."""
    known = {
        "fileDirname": str(file.parent),
        "fileBasename": file.name,
        "fileBasenameNoExtension": file.stem,
        "fileExtname": file.suffix,
    }

    def replace(match: re.Match[str]) -> str:
        what, quote = match["what"], match["quote"]
        if what.startswith(f"{_BASE}."):
            return what
        if what in known:
            return f"{quote}{known[what]}{quote}"
        line = source.count("\n", 0, match.start()) + 1
        raise ConfigError(f"{file}:{line}: '{match[0]}' is not understood")

    return _TEMPLATE.sub(replace, source)


def _assigns_base(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Assign) and any(
        isinstance(target, ast.Name) and target.id == _BASE for target in statement.targets
    )


def _is_read_base(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.With) and any(
        isinstance(item.context_expr, ast.Call)
        and isinstance(item.context_expr.func, ast.Name)
        and item.context_expr.func.id == "read_base"
        for item in statement.items
    )


def _public(namespace: Mapping[str, Any], with_imports: bool) -> dict[str, Any]:
    """Return the variables that are config: no modules, no functions, no private names."""
    hidden = (types.ModuleType, types.FunctionType, types.BuiltinFunctionType)
    return {
        key: value
        for key, value in namespace.items()
        if not key.startswith("_")
        and not isinstance(value, hidden)
        and (with_imports or not isinstance(value, ImportedName))
    }


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_plain(item) for item in value)
    if isinstance(value, ImportedName):
        return str.__str__(value)
    return value
