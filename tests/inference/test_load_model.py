"""Models by name: config, weights and errors."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import raypose
from raypose.config import Config, build_model, load_config
from raypose.errors import CheckpointError, ConfigError
from raypose.inference.loading import read_config
from raypose.models.checkpoint_conversion import convert_checkpoint
from raypose.weights import PublishedModel, find_published
from tests.weights.file_server import FileServer, serving

NAME = "td-hm_mobilenetv2_8xb64-210e_coco-256x192"


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    """Serve the weights of every published model, from addresses of this server."""
    monkeypatch.setenv("RAYPOSE_WEIGHTS_DIR", str(tmp_path / "weights"))
    monkeypatch.delenv("RAYPOSE_OFFLINE", raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    found = find_published(NAME)
    assert found is not None
    with serving({}) as running:

        def published(config: Path) -> PublishedModel | None:
            return replace(found, url=f"{running.address}/{config.stem}.pth")

        monkeypatch.setattr("raypose.inference.loading.published_model", published)
        yield running


def offer(server: FileServer, folder: Path) -> torch.Tensor:
    """Put weights of before MMPose 1.0 on the server; returns the bias of the last layer."""
    torch.manual_seed(3)
    state = build_model(load_config(NAME)).state_dict()
    old = {key.replace("head.", "keypoint_head."): value for key, value in state.items()}
    torch.save({"state_dict": old}, folder / "old.pth")
    server.files[f"/{NAME}.pth"] = (folder / "old.pth").read_bytes()
    return state["backbone.conv1.conv.weight"]


def test_a_model_comes_with_its_published_weights(server: FileServer, tmp_path: Path) -> None:
    expected = offer(server, tmp_path)
    model = raypose.load_model(NAME, device="cpu")
    assert not model.training
    assert torch.equal(model.state_dict()["backbone.conv1.conv.weight"], expected)
    raypose.load_model(NAME, device="cpu")
    assert len(server.requests) == 1


def test_other_weights_may_be_given(server: FileServer, tmp_path: Path) -> None:
    expected = offer(server, tmp_path)
    server.files["/mine.pth"] = server.files.pop(f"/{NAME}.pth")
    for weights in (tmp_path / "old.pth", f"{server.address}/mine.pth"):
        model = raypose.load_model(NAME, weights=weights, device="cpu")
        assert torch.equal(model.state_dict()["backbone.conv1.conv.weight"], expected)


def test_a_converted_checkpoint_of_raypose_is_a_model(server: FileServer, tmp_path: Path) -> None:
    offer(server, tmp_path)
    state = torch.load(tmp_path / "old.pth", weights_only=True)["state_dict"]
    config = load_config(NAME).to_yaml()
    torch.save({"state_dict": state, "config": config}, tmp_path / "run.pth")
    convert_checkpoint(tmp_path / "run.pth", tmp_path / "run.safetensors")
    found, weights = read_config(tmp_path / "run.safetensors")
    assert found.to_yaml() == config
    assert weights == tmp_path / "run.safetensors"
    raypose.load_model(tmp_path / "run.safetensors", device="cpu")


def test_a_start_of_training_is_not_the_result_of_a_shipped_config(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer(server, tmp_path)
    mine = str(tmp_path / "old.pth")
    assert read_config(NAME, overrides=[f"train.load_from={mine}"])[1] == Path(mine)
    assert read_config(NAME)[1].name == f"{NAME}.pth"
    start = "https://example.org/start.pth"
    shipped = load_config(NAME, [f"train.load_from={start}"])
    monkeypatch.setattr("raypose.inference.loading.load_config", lambda *_: shipped)
    assert read_config(NAME)[1].name == f"{NAME}.pth"
    monkeypatch.setenv("RAYPOSE_OFFLINE", "1")
    with pytest.raises(CheckpointError, match=r"start\.pth cannot be downloaded"):
        read_config(NAME, overrides=[f"train.load_from={start}"])
    with pytest.raises(CheckpointError, match=r"start\.pth cannot be downloaded"):
        read_config(Config(shipped.nodes))


def test_offline_the_error_says_what_to_put_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAYPOSE_WEIGHTS_DIR", str(tmp_path))
    monkeypatch.setenv("RAYPOSE_OFFLINE", "1")
    model = find_published(NAME)
    assert model is not None
    with pytest.raises(CheckpointError) as caught:
        raypose.load_model(NAME)
    assert f"({model.url}) and put it at {tmp_path / model.file_name}" in str(caught.value)


def test_what_is_put_there_is_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAYPOSE_WEIGHTS_DIR", str(tmp_path))
    monkeypatch.setenv("RAYPOSE_OFFLINE", "1")
    model = find_published(NAME)
    assert model is not None
    torch.save({"state_dict": {"a": torch.ones(1)}}, tmp_path / model.file_name)
    digest = hashlib.sha256((tmp_path / model.file_name).read_bytes()).hexdigest()[:8]
    with pytest.raises(CheckpointError, match=f"it has {digest}"):
        raypose.load_model(NAME)


def test_an_unknown_name_is_told_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"no config 'rtmpose-mm'.*Did you mean 'rtmpose-m'\?"):
        raypose.load_model("rtmpose-mm")
