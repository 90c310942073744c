"""The shape of the code base: what may import what, how large a file may grow, what a name may be.

The layers themselves are import contracts in pyproject.toml (`lint-imports`); here is what a static
reading of imports cannot show, and what keeps files readable.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import raypose

REPOSITORY = Path(__file__).resolve().parents[1]
PACKAGE = REPOSITORY / "raypose"
MODULES = sorted(PACKAGE.rglob("*.py"))
PIPELINES = sorted((REPOSITORY / "pipelines").glob("*.py"))
TOP_LEVEL = {"raypose", "pipelines", "configs", "tests", "docs"}


def run_python(code: str, *arguments: str) -> str:
    """Run code in a fresh interpreter and return what it printed."""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_import_raypose_is_light() -> None:
    code = "import sys, raypose; print(*sys.modules)"
    loaded = set(run_python(code).split())
    assert not loaded & {"torch", "ray", "cv2", "numpy", "yaml"}


def test_public_names_resolve_and_are_listed() -> None:
    assert set(raypose.__all__) == {*raypose._EXPORTS, "__version__"}
    for name in raypose.__all__:
        assert getattr(raypose, name) is not None
        assert name in dir(raypose)


def test_unknown_public_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Predicter'"):
        _ = raypose.Predicter


def test_everything_below_distributed_imports_without_ray() -> None:
    # The command line imports raypose.distributed only inside the commands that need it.
    above = ("raypose.distributed", "raypose.demo")
    below = [name for name in map(module_name, MODULES) if not name.startswith(above)]
    code = """
import importlib, sys
sys.modules["ray"] = None
for name in sys.argv[1:]:
    importlib.import_module(name)
"""
    run_python(code, *below)


def test_pipelines_import_only_the_package_and_ray() -> None:
    allowed = {"raypose", "ray", *sys.stdlib_module_names}
    for path in PIPELINES:
        assert imported_packages(path) <= allowed, path.name


@pytest.mark.parametrize("path", PIPELINES, ids=lambda path: path.name)
def test_pipeline_stays_short(path: Path) -> None:
    assert number_of_lines(path) <= 60


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_module_is_readable(path: Path) -> None:
    assert number_of_lines(path) <= 500
    assert path.stem not in {"utils", "util", "misc", "common", "helpers"}
    assert path.parent.stem not in {"utils", "util", "misc", "common", "helpers"}
    tree = ast.parse(path.read_text())
    assert ast.get_docstring(tree), "a module opens with what it is"
    if path.name != "__init__.py":
        assert "annotations" in future_imports(tree)


def test_no_other_top_level_folder() -> None:
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    if tracked.returncode:
        pytest.skip("not a git checkout")
    folders = {line.split("/")[0] for line in tracked.stdout.splitlines() if "/" in line}
    assert {folder for folder in folders if not folder.startswith(".")} <= TOP_LEVEL


def module_name(path: Path) -> str:
    parts = path.relative_to(REPOSITORY).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def number_of_lines(path: Path) -> int:
    return len(path.read_text().splitlines())


def imported_packages(path: Path) -> set[str]:
    packages = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            packages |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            packages.add((node.module or "").split(".")[0])
    return packages


def future_imports(tree: ast.Module) -> set[str]:
    return {
        alias.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and node.module == "__future__"
        for alias in node.names
    }
