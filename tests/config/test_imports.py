"""`imports:`: found beside the config, importable again in a worker, failures explained."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from raypose.config import Config, load_config
from raypose.errors import ConfigError
from raypose.registry import MODELS
from tests.config.conftest import MODEL, Write

CODE = """\
from torch import nn
from raypose.registry import MODELS

@MODELS.register_module()
class {name}(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
"""


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    """Leave no module and no folder of a test behind."""
    path, modules, entries = list(sys.path), set(sys.modules), dict(MODELS._entries)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if name.startswith("user_"):
            del sys.modules[name]
    for name in [n for n in MODELS._entries if n not in entries and n.startswith("User")]:
        del MODELS._entries[name]


def test_a_module_beside_the_config_is_imported_before_checking(
    write: Write, load: Callable[..., Config], tmp_path: Path
) -> None:
    write("user_backbone.py", CODE.format(name="UserBackbone"))
    config = load(
        "imports: [user_backbone]\nmodel:\n  type: TopdownPoseEstimator\n"
        "  backbone: {type: UserBackbone, width: 3}\n"
    )
    assert config.data["import_paths"] == [str(tmp_path)]


def test_a_module_beside_the_base_that_names_it(write: Write) -> None:
    write("lib/user_module.py", CODE.format(name="UserNeck"))
    write("lib/base.yaml", "imports: [user_module]\n")
    path = write("exp/exp.yaml", f"_base_: ../lib/base.yaml\n{MODEL}")
    assert load_config(path).data["import_paths"][0] == str(path.parents[1] / "lib")


def test_a_folder_named_under_import_paths(write: Write) -> None:
    write("code/user_far.py", CODE.format(name="UserFar"))
    path = write("exp.yaml", f"import_paths: [code]\nimports: [user_far]\n{MODEL}")
    load_config(path)
    assert "UserFar" in MODELS


def test_a_worker_imports_the_same(write: Write, load: Callable[..., Config]) -> None:
    write("user_worker.py", CODE.format(name="UserWorker"))
    config = load(f"imports: [user_worker]\n{MODEL}")
    # What a new process has: neither the module nor the folder.
    del sys.modules["user_worker"], MODELS._entries["UserWorker"]
    sys.path.remove(str(config.path.parent))  # type: ignore[union-attr]
    Config.from_resolved(config.data)
    assert "UserWorker" in MODELS


def test_without_imports_no_folder_is_kept(load: Callable[..., Config]) -> None:
    assert "import_paths" not in load(MODEL).data


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (None, r"exp.yaml:1: imports.0: there is no module 'user_bad'; looked in .*Python path"),
        ("x = 1 / 0\n", r"importing 'user_bad' failed: ZeroDivisionError: .*user_bad.py:1\)"),
        ("def f(:\n", r"importing 'user_bad' failed: SyntaxError"),
        ("\nimport no_such_thing\n", r"importing 'user_bad' failed: No module named .*bad.py:2\)"),
    ],
)
def test_failures_are_mistakes_of_the_config(
    write: Write, load: Callable[..., Config], code: str | None, message: str
) -> None:
    if code is not None:
        write("user_bad.py", code)
    with pytest.raises(ConfigError, match=message):
        load(f"imports: [user_bad]\n{MODEL}")


def test_a_worker_says_what_it_could_not_import() -> None:
    with pytest.raises(ConfigError, match="there is no module 'user_gone'; looked in /gone"):
        Config.from_resolved(
            {"imports": ["user_gone"], "import_paths": ["/gone"], "model": {"type": "X"}}
        )
