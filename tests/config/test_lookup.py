"""Configs by path and by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from raypose.config.lookup import (
    available_configs,
    config_folders,
    find_config,
    published_model,
)
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


def test_an_alias_is_the_config_of_its_model(
    write: Write, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = "configs/animal_2d_keypoint/rtmpose/ap10k"
    path = write(f"{folder}/rtmpose-m_8xb64-210e_ap10k-256x256.yaml", "")
    other = write("configs/other.yaml", "")
    monkeypatch.setattr("raypose.config.lookup.config_folders", lambda: [tmp_path / "configs"])
    (tmp_path / "animal").mkdir()  # a folder of this name, such as one of images, changes nothing
    assert find_config("animal") == path
    model = published_model(path)
    assert model is not None
    assert model.aliases == ("animal",)
    assert published_model(other) is None
    assert published_model(tmp_path / "elsewhere.yaml") is None
    mine = write("animal.yaml", "")
    assert find_config("animal") == mine


@pytest.mark.parametrize("name", ["hand", "rtmpose-m_8xb256-210e_hand5-256x256"])
def test_a_published_model_without_a_config_is_told_so(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("raypose.config.lookup.config_folders", lambda: [tmp_path])
    with pytest.raises(ConfigError) as caught:
        find_config(name)
    message = str(caught.value)
    assert f"'{name}' is MMPose's hand_2d_keypoint/rtmpose/hand5/rtmpose-m_" in message
    assert "no config of yet" in message
    assert "https://download.openmmlab.com/mmpose/" in message


def test_a_folder_hides_no_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "demo").mkdir()
    assert find_config("demo").name == "demo.yaml"
