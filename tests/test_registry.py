"""`Registry`: names to classes, mappings to objects, and what it says when they do not fit."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typing_extensions import TypedDict, Unpack

import raypose.registry
from raypose.errors import ConfigError
from raypose.registry import MODELS, Registry, argument_problems

PLANTS = "raypose_test_plants"  # a module that fills a registry on import


class Tree:
    def __init__(self, height: float, *, leaves: int = 3) -> None:
        self.height = height
        self.leaves = leaves


class Bush:
    def __init__(self, **options: Any) -> None:
        self.options = options


class GroveOptions(TypedDict, total=False):
    age: int


class Grove(Tree):
    def __init__(self, height: float, **options: Unpack[GroveOptions]) -> None:
        super().__init__(height)
        self.options = options


@pytest.fixture
def plants() -> Registry:
    registry = Registry("plant")
    registry.register_module()(Tree)
    registry.register_module(name=["Bush", "Shrub"])(Bush)
    return registry


def test_a_class_registers_under_its_name(plants: Registry) -> None:
    @plants.register_module()
    class Fern:
        pass

    assert plants.get("Fern") is Fern
    assert "Fern" in plants


def test_names_of_choice(plants: Registry) -> None:
    assert plants.get("Bush") is Bush
    assert plants.get("Shrub") is Bush
    plants.register_module(name="Oak", module=Tree)
    assert plants.get("Oak") is Tree
    assert list(plants) == ["Bush", "Oak", "Shrub", "Tree"]
    assert len(plants) == 4
    assert repr(plants) == "Registry('plant', 4 entries)"


def test_a_function_registers_too(plants: Registry) -> None:
    @plants.register_module()
    def sapling(height: float) -> Tree:
        return Tree(height / 10)

    assert plants.build({"type": "sapling", "height": 5.0}).height == 0.5


def test_a_taken_name_needs_force(plants: Registry) -> None:
    class Other:
        pass

    with pytest.raises(KeyError, match=r"'Tree' is already registered as a plant by .*force=True"):
        plants.register_module(name="Tree")(Other)
    assert plants.get("Tree") is Tree
    plants.register_module(name="Tree", force=True)(Other)
    assert plants.get("Tree") is Other


def test_the_same_file_run_again_replaces_its_classes(
    plants: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "garden.py"
    file.write_text("class Moss:\n    pass\n")
    kinds = []
    for name in ("garden", "garden_again"):
        spec = importlib.util.spec_from_file_location(name, file)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, name, module)
        spec.loader.exec_module(module)
        kinds.append(plants.register_module()(module.Moss))
    assert plants.get("Moss") is kinds[1]
    assert kinds[0] is not kinds[1]


@pytest.mark.parametrize("name", [Tree, 3, ["Oak", 3]])
def test_a_name_is_text(plants: Registry, name: Any) -> None:
    with pytest.raises(TypeError, match=r"name must be .*@REGISTRY.register_module\(\)"):
        plants.register_module(name)


def test_the_scope_of_another_library_is_dropped(plants: Registry) -> None:
    assert plants.get("mmplant.Tree") is Tree
    assert plants.find("mmplant.Tre") is None


def test_an_unknown_name_and_the_nearest_one(plants: Registry) -> None:
    with pytest.raises(ConfigError, match=r"^unknown plant 'tre'\. Did you mean 'Tree'\?$"):
        plants.get("tre")
    with pytest.raises(
        ConfigError,
        match=r"^unknown plant 'Cactus'\. Register it with @PLANTS.register_module\(\) in a module "
        r"named under 'imports:'\.$",
    ):
        plants.get("Cactus")


def test_build_gives_arguments(plants: Registry) -> None:
    tree = plants.build({"type": "Tree", "height": 2.5, "leaves": 7})
    assert (type(tree), tree.height, tree.leaves) == (Tree, 2.5, 7)


def test_build_takes_the_class_itself(plants: Registry) -> None:
    assert plants.build({"type": Tree, "height": 1}).height == 1


def test_build_leaves_the_config_alone(plants: Registry) -> None:
    config = {"type": "Tree", "height": 2}
    plants.build(config)
    assert config == {"type": "Tree", "height": 2}


def test_defaults_give_way_to_the_config(plants: Registry) -> None:
    tree = plants.build({"type": "Tree", "height": 2}, height=9, leaves=1)
    assert (tree.height, tree.leaves) == (2, 1)


def test_an_object_passes_through(plants: Registry) -> None:
    tree = Tree(1)
    assert plants.build(tree) is tree


@pytest.mark.parametrize("given", [None, "Tree", 3, [{"type": "Tree"}]])
def test_build_wants_a_mapping_or_an_object(plants: Registry, given: Any) -> None:
    with pytest.raises(ConfigError, match="a plant is built from a mapping with 'type'"):
        plants.build(given)


def test_build_wants_a_type(plants: Registry) -> None:
    with pytest.raises(ConfigError, match=r"a plant needs 'type', got the keys \['height'\]"):
        plants.build({"height": 1})


def test_every_wrong_argument_is_said_at_once(plants: Registry) -> None:
    with pytest.raises(ConfigError) as caught:
        plants.build({"type": "Tree", "leafs": 1, "roots": 2})
    assert caught.value.problems == [
        "Tree takes no argument 'leafs'. Did you mean 'leaves'?",
        "Tree takes no argument 'roots'.",
        "Tree needs 'height'",
    ]


def test_what_is_missing_is_not_said_twice() -> None:
    assert argument_problems(Tree, {"heigth": 1}) == [
        ("heigth", "Tree takes no argument 'heigth'. Did you mean 'height'?")
    ]


def test_a_class_with_any_arguments_takes_any() -> None:
    assert argument_problems(Bush, {"berries": True}) == []


def test_unpacked_options_are_arguments_by_name() -> None:
    assert argument_problems(Grove, {"height": 1.0, "age": 3}) == []
    assert argument_problems(Grove, {"height": 1.0, "aeg": 3}) == [
        ("aeg", "Grove takes no argument 'aeg'. Did you mean 'age'?")
    ]


def test_a_mistake_inside_a_constructor_is_not_an_argument_problem(plants: Registry) -> None:
    def broken(height: float) -> None:
        raise TypeError("inside")

    with pytest.raises(TypeError, match=r"^inside$"):
        plants.build({"type": broken, "height": 1})


def test_locations_are_imported_at_the_first_look_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / f"{PLANTS}.py").write_text(
        "import raypose.registry as r\nr.PLANTS_OF_TEST.register_module(name='Ivy')(object)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    registry = Registry("plant", locations=[PLANTS])
    monkeypatch.setattr(raypose.registry, "PLANTS_OF_TEST", registry, raising=False)
    assert PLANTS not in sys.modules
    try:
        assert "Ivy" in registry
        assert PLANTS in sys.modules
    finally:
        sys.modules.pop(PLANTS, None)


def test_the_registries_fill_themselves() -> None:
    code = (
        "from raypose.registry import *\n"
        "import sys, raypose.registry as r\n"
        "assert 'torch' not in sys.modules\n"
        "for name in ('MODELS', 'CODECS', 'TRANSFORMS', 'DATASETS', 'METRICS', 'OPTIMIZERS',"
        " 'SCHEDULES'):\n"
        "    assert len(getattr(r, name)) > 0, name\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).resolve().parents[1],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_every_entry_is_a_class_with_a_name_of_its_own() -> None:
    assert {name: MODELS.get(name).__name__ for name in MODELS} == {name: name for name in MODELS}
