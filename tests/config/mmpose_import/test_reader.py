"""MMPose's Python configs, old style and new, without MMPose."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from raypose.config.mmpose_import import read_mmpose_config
from raypose.errors import ConfigError


@pytest.fixture
def read(tmp_path: Path) -> Any:
    """Write files given as `name=text` (`_` for `/` is not needed) and read the first."""

    def function(text: str, **files: str) -> dict[str, Any]:
        for name, content in files.items():
            (tmp_path / f"{name}.py").write_text(content, encoding="utf-8")
        path = tmp_path / "exp.py"
        path.write_text(text, encoding="utf-8")
        return read_mmpose_config(path)

    return function


def test_variables_are_the_config(read: Any) -> None:
    text = (
        "import math\nfrom os import path as osp\n_private = 1\ndef double(x):\n    return 2 * x\n"
        "a = double(3)\nb = dict(c=(1, 2), d=[math.floor(2.5)])\n"
        "for i in range(2):\n    pass\njoined = osp.join('x', 'y')\n"
    )
    assert read(text) == {
        "a": 6,
        "b": {"c": (1, 2), "d": [2]},
        "i": 1,
        "joined": "x/y",
    }


def test_mappings_merge_over_the_base_and_delete_replaces(read: Any) -> None:
    base = "m = dict(a=1, b=dict(c=2, d=3))\nlist_ = [1, 2]\nkept = 'x'\n"
    text = (
        "_base_ = './base.py'\n"
        "m = dict(b=dict(c=5), e=dict(_delete_=True, f=6))\nlist_ = [9]\n"
        "n = dict(_delete_=True, x=1)\n"
    )
    assert read(text, base=base) == {
        "m": {"a": 1, "b": {"c": 5, "d": 3}, "e": {"f": 6}},
        "list_": [9],
        "kept": "x",
        "n": {"x": 1},
    }
    assert read("_base_ = ['base.py']\nm = dict(_delete_=True, z=0)\n", base=base)["m"] == {"z": 0}


def test_values_of_the_base_can_be_used(read: Any) -> None:
    base = "codec = dict(type='A', input_size=(2, 3))\nname = 'x'\n"
    text = (
        "_base_ = ['base.py']\na = _base_.codec.input_size\nb = {{_base_.name}}\n"
        "c = '{{ _base_.codec }}'\nd = dict(encoder=_base_.codec)\n"
    )
    found = read(text, base=base)
    assert found["a"] == (2, 3)
    assert found["b"] == "x"
    assert found["c"] == {"type": "A", "input_size": (2, 3)}
    assert found["d"] == {"encoder": {"type": "A", "input_size": (2, 3)}}
    assert type(found["c"]) is dict


def test_changing_a_value_of_the_base_leaves_the_base_alone(read: Any) -> None:
    text = "_base_ = ['base.py']\nmine = _base_.codec\nmine['sigma'] = 5\n"
    found = read(text, base="codec = dict(sigma=2)\n")
    assert found["codec"] == {"sigma": 2}


def test_names_of_the_file_itself(read: Any, tmp_path: Path) -> None:
    found = read("a = '{{fileDirname}}'\nb = '{{ fileBasenameNoExtension }}'\n")
    assert found == {"a": str(tmp_path), "b": "exp"}


def test_a_base_of_another_package_is_scoped(tmp_path: Path) -> None:
    (tmp_path / "configs" / "_base_").mkdir(parents=True)
    (tmp_path / "configs" / "sub").mkdir()
    (tmp_path / "configs" / "_base_" / "rt.py").write_text(
        "hooks = dict(a=dict(type='A', inner=[dict(type='B')]))\nbackends = [dict(type='C')]\n"
    )
    path = tmp_path / "configs" / "sub" / "exp.py"
    path.write_text("_base_ = ['mmpose::_base_/rt.py']\n")
    assert read_mmpose_config(path) == {
        "hooks": {"a": {"type": "A", "inner": [{"type": "B"}], "_scope_": "mmpose"}},
        "backends": [{"type": "C", "_scope_": "mmpose"}],
    }


def test_new_style_imports_become_dotted_names(read: Any) -> None:
    text = (
        "from mmengine.config import read_base\nimport torch.nn as nn\n"
        "with read_base():\n    from .base import *\n    from .other import x as y\n"
        "from torch.optim import Adam\nhooks.update(a=dict(c=2))\n"
        "optimizer = dict(type=Adam)\nnorm = dict(type=nn.GroupNorm)\n"
    )
    found = read(text, base="hooks = dict(a=dict(b=1))\n", other="x = 3\nz = 4\n")
    assert found["hooks"] == {"a": {"b": 1, "c": 2}}
    assert found["y"] == 3
    assert "z" not in found
    assert found["optimizer"] == {"type": "torch.optim.Adam"}
    assert found["norm"] == {"type": "torch.nn.GroupNorm"}
    assert type(found["optimizer"]["type"]) is str


def test_the_runtime_that_releases_leave_out(read: Any) -> None:
    text = (
        "from mmengine.config import read_base\nwith read_base():\n"
        "    from mmpose.configs._base_.default_runtime import *\n"
        "default_hooks.update(checkpoint=dict(save_best='coco/AP'))\n"
    )
    found = read(text)
    assert found["default_hooks"]["checkpoint"] == {
        "type": "mmengine.hooks.CheckpointHook",
        "interval": 10,
        "save_best": "coco/AP",
    }
    assert found["default_scope"] is None


@pytest.mark.parametrize(
    ("text", "files", "message"),
    [
        ("a = 1\nb = a / 0\n", {}, r"exp.py:2: ZeroDivisionError: division by zero"),
        ("a = (\n", {}, r"exp.py:1: not valid Python: '\(' was never closed"),
        ("_base_ = ['no.py']\n", {}, r"exp.py:1: no file 'no.py' to inherit from"),
        ("_base_ = ['exp.py']\n", {}, r"configs inherit in a circle: exp.py -> exp.py"),
        (
            "_base_ = ['one.py', 'two.py']\n",
            {"one": "a = 1\nb = 1\n", "two": "a = 2\n"},
            r"exp.py:1: two bases define a",
        ),
        (
            "_base_ = ['one.py']\na = dict(b=1)\n",
            {"one": "a = 3\n"},
            r"exp.py: 'a' is a mapping here and int in its base; '_delete_=True' replaces it",
        ),
        (
            "_base_ = ['one.py']\na = _base_.nothing\n",
            {"one": "b = 3\n"},
            r"exp.py:2: AttributeError: the base config has no 'nothing'",
        ),
        ("a = '{{$HOME:x}}'\n", {}, r"exp.py:1: .*HOME.* is not understood"),
        (
            "with read_base():\n    import os\n",
            {},
            r"exp.py:2: only 'from ... import' can be inherited",
        ),
        (
            "with read_base():\n    from .gone import *\n",
            {},
            r"exp.py:2: no file for '.gone' to inherit from",
        ),
        (
            "with read_base():\n    from .one import c\n",
            {"one": "b = 3\n"},
            r"exp.py:2: nothing is called c",
        ),
    ],
)
def test_what_cannot_be_read_says_where(
    read: Any, text: str, files: dict[str, str], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        read(text, **files)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no.py: cannot be read"):
        read_mmpose_config(tmp_path / "no.py")
