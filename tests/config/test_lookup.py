"""Configs by path and by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from raypose.config.lookup import available_configs, config_folders, find_config
from raypose.errors import ConfigError
from tests.config.conftest import Write

NAME = "body_2d_keypoint/rtmpose/coco/rtmpose-s_8xb256-420e_coco-256x192"


def test_a_path_with_or_without_its_suffix(write: Write) -> None:
    path = write("sub/exp.yaml", "")
    assert find_config("sub/exp.yaml") == path
    assert find_config("sub/exp") == path
    assert find_config(path) == path


@pytest.mark.parametrize("name", [NAME, f"{NAME}.yaml", NAME.rsplit("/", 1)[-1]])
def test_a_name_below_configs(name: str, repository: Path) -> None:
    assert find_config(name) == repository / "configs" / f"{NAME}.yaml"


def test_names_leave_out_what_is_only_inherited_from() -> None:
    names = available_configs()
    assert NAME in names
    assert names == sorted(names)
    assert not [name for name in names if "_base_" in name]
    assert all((config_folders()[0] / f"{name}.yaml").is_file() for name in names)


def test_the_nearest_name_is_offered() -> None:
    with pytest.raises(ConfigError, match=f"there is no config '.*'.* Did you mean '{NAME}'"):
        find_config("rtmpose-s_8xb256-420e_coco-256x129")


def test_the_nearest_file_is_offered(write: Write) -> None:
    write("sub/mouse.yaml", "")
    with pytest.raises(ConfigError, match=r"Did you mean 'sub/mouse.yaml'"):
        find_config("sub/mose.yaml")


def test_a_folder_is_no_config(write: Write) -> None:
    write("sub/mouse.yaml", "")
    with pytest.raises(ConfigError, match=r"'sub' is a folder, a config is a .yaml file"):
        find_config("sub")


def test_a_short_name_that_two_configs_have(
    write: Write, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    write("configs/a/same.yaml", "")
    write("configs/b/same.yaml", "")
    monkeypatch.setattr("raypose.config.lookup.config_folders", lambda: [tmp_path / "configs"])
    with pytest.raises(ConfigError, match="'same' could be any of a/same, b/same"):
        find_config("same")


def test_a_folder_hides_no_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "demo").mkdir()
    assert find_config("demo").name == "demo.yaml"
