"""What a pip user gets: one wheel with code, configs, skeletons, the page and the type marker."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def wheel(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (file,) = folder.glob("*.whl")
    return zipfile.ZipFile(file)


def test_wheel_holds_every_source_config_and_skeleton(
    repository: Path, wheel: zipfile.ZipFile
) -> None:
    held = set(wheel.namelist())
    package = repository / "raypose"
    sources = {path.relative_to(repository).as_posix() for path in package.rglob("*.py")}
    skeletons = {path.relative_to(repository).as_posix() for path in package.rglob("*.yaml")}
    configs = {
        f"raypose/{path.relative_to(repository).as_posix()}"
        for path in (repository / "configs").rglob("*.yaml")
    }
    page = {
        path.relative_to(repository).as_posix()
        for path in (package / "distributed" / "serving" / "page").rglob("*.*")
    }
    assert any(name.startswith("raypose/datasets/skeletons/") for name in skeletons)
    assert configs
    assert {path.rsplit(".")[-1] for path in page} == {"html", "css", "js", "svg", "jpg"}
    others = {"raypose/py.typed", "raypose/weights/published.json"}
    assert sources | skeletons | configs | page | others <= held


def test_wheel_holds_nothing_else(wheel: zipfile.ZipFile) -> None:
    roots = {name.split("/")[0] for name in wheel.namelist()}
    assert {root for root in roots if not root.endswith(".dist-info")} == {"raypose"}
    assert not [name for name in wheel.namelist() if "__pycache__" in name or "/tests/" in name]


def test_wheel_names_the_command_and_the_licence(wheel: zipfile.ZipFile) -> None:
    (points,) = [name for name in wheel.namelist() if name.endswith("entry_points.txt")]
    assert "raypose = raypose.cli:main" in wheel.read(points).decode()
    (licence,) = [name for name in wheel.namelist() if name.endswith("licenses/LICENSE")]
    assert "Apache License" in wheel.read(licence).decode()
