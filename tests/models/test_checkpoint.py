"""Weights from files: read safely, converted from old forms, misfits told key by key."""

from __future__ import annotations

import hashlib
import logging
import os
import pickle
import sys
import types
import zipfile
from collections import OrderedDict, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch._utils import _rebuild_tensor_v2

from raypose.errors import CheckpointError
from raypose.models.backbones import ResNet, VisionTransformer
from raypose.models.checkpoint import (
    load_checkpoint,
    load_pretrained,
    read_checkpoint,
    weights_of,
)
from raypose.models.unpickling import Foreign
from tests.weights.file_server import serving


class Attack:
    """Runs a command wherever it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"echo run > '{self.marker}'",)


class Model(nn.Module):
    """A backbone and a head, small."""

    def __init__(self, joints: int = 5) -> None:
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
        self.head = nn.Conv2d(4, joints, 1)


def weights(model: nn.Module, seed: int = 0) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {
        key: torch.randn(value.shape, generator=generator)
        if value.is_floating_point()
        else torch.full_like(value, 7)
        for key, value in model.state_dict().items()
    }


def save(content: Any, path: Path, legacy: bool = False) -> Path:
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    return path


def assert_loaded(model: nn.Module, expected: dict[str, Tensor]) -> None:
    state = model.state_dict()
    assert expected
    for key, value in expected.items():
        torch.testing.assert_close(state[key], value, rtol=0, atol=0)


@pytest.fixture
def mmengine(monkeypatch: pytest.MonkeyPatch) -> dict[str, type]:
    """Classes that pickle under MMEngine's names, until `monkeypatch.undo()`."""
    classes: dict[str, type] = {}
    places = {
        "HistoryBuffer": ("mmengine.logging.history_buffer", object),
        "ConfigDict": ("mmengine.config.config", dict),
        "Names": ("mmengine.utils", list),
        "Keys": ("mmengine.keys", set),
    }
    for name, (place, base) in places.items():
        module = types.ModuleType(place)
        classes[name] = type(name, (base,), {"__module__": place})
        setattr(module, name, classes[name])
        monkeypatch.setitem(sys.modules, place, module)
    for parent in ("mmengine", "mmengine.logging", "mmengine.config"):
        monkeypatch.setitem(sys.modules, parent, types.ModuleType(parent))
    return classes


@pytest.mark.parametrize("legacy", [False, True])
def test_file_of_mmengine_gives_its_weights_and_none_of_its_objects(
    tmp_path: Path, mmengine: dict[str, type], monkeypatch: pytest.MonkeyPatch, legacy: bool
) -> None:
    history = mmengine["HistoryBuffer"]()
    history._log_history = np.arange(3.0)
    history._statistics_methods = OrderedDict(mean=np.mean)
    names = mmengine["Names"]([1, 2])
    names.owner = history
    model = Model()
    state: OrderedDict[str, Any] = OrderedDict(weights(model))
    state["step"] = np.float64(3)  # not a weight
    path = save(
        {
            "meta": {
                "cfg": mmengine["ConfigDict"](a=1),
                "dataset_meta": {"keypoint_colors": np.ones((2, 3)), "sigmas": np.ones(2)},
                "hook_msgs": defaultdict(dict, best=Path("best.pth")),
                "epoch": 210,
            },
            "state_dict": state,
            "message_hub": {"log_scalars": {"train/loss": history}, "names": names},
            "keys": mmengine["Keys"]([3, 4]),
        },
        tmp_path / "official.pth",
        legacy,
    )
    monkeypatch.undo()

    checkpoint = read_checkpoint(path)
    assert "mmengine" not in sys.modules
    assert checkpoint["meta"]["epoch"] == 210
    buffer = checkpoint["message_hub"]["log_scalars"]["train/loss"]
    assert isinstance(buffer, Foreign)
    assert repr(buffer) == "<HistoryBuffer, not loaded>"
    assert vars(buffer) == {}
    load_checkpoint(model, path)
    assert_loaded(model, weights(model))


@pytest.mark.parametrize("legacy", [False, True])
def test_forged_file_runs_nothing(tmp_path: Path, legacy: bool) -> None:
    marker = tmp_path / "run"
    model = Model()
    path = save(
        {"meta": Attack(marker), "state_dict": weights(model)}, tmp_path / "forged.pth", legacy
    )
    load_checkpoint(model, path)
    assert_loaded(model, weights(model))
    assert not marker.exists()
    # The forgery is one: Python's own unpickler runs it.
    pickle.loads(pickle.dumps(Attack(marker)))
    assert marker.exists()


@pytest.mark.parametrize("place", ["weight", "file"])
def test_forged_weights_are_refused_unrun(tmp_path: Path, place: str) -> None:
    marker = tmp_path / "run"
    path = tmp_path / "forged.pth"
    if place == "weight":
        save({"state_dict": {"head.weight": Attack(marker)}}, path)
    else:
        path.write_bytes(pickle.dumps({"state_dict": Attack(marker)}))
    with pytest.raises(CheckpointError, match=r"forged\.pth"):
        load_checkpoint(Model(), path)
    assert not marker.exists()


def test_forged_state_changes_no_function_of_torch(tmp_path: Path) -> None:
    # GLOBAL rebuild function, its state ({}, {"__defaults__": (True,)}), BUILD.
    stream = (
        b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n}}X\x0c\x00\x00\x00__defaults__\x88\x85s\x86b."
    )
    path = save({"a": torch.ones(1), "b": Attack(tmp_path)}, tmp_path / "whole.pth")
    forged = tmp_path / "forged.pth"
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(forged, "w") as target:
        for name in source.namelist():
            target.writestr(name, stream if name.endswith("data.pkl") else source.read(name))
    before = _rebuild_tensor_v2.__defaults__
    with pytest.raises(CheckpointError, match=r"forged\.pth"):
        read_checkpoint(forged)
    assert _rebuild_tensor_v2.__defaults__ is before


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: state,
        lambda state: {"state_dict": state, "epoch": 1},
        lambda state: {"model": state},
        lambda state: {"state_dict": {f"module.{k}": v for k, v in state.items()}},
        lambda state: {"state_dict": {**state, "ema_backbone_0_weight": torch.zeros(1)}},
        lambda state: {
            "state_dict": state,
            "ema_state_dict": {f"module.{k}": v * 0 for k, v in state.items()},
        },
        lambda state: {
            "ema_state_dict": {
                "steps": torch.tensor(9),
                **{f"module.{k}": v for k, v in state.items()},
            }
        },
        lambda state: {
            "state_dict": {
                **state,
                "data_preprocessor.mean": torch.zeros(3),
                "data_preprocessor.std": torch.ones(3),
            }
        },
        lambda state: {
            "state_dict": {k: v for k, v in state.items() if "num_batches_tracked" not in k}
        },
    ],
    ids=[
        "bare",
        "state_dict",
        "model",
        "module",
        "ema_keys",
        "ema_dict",
        "ema_only",
        "mean",
        "no_counter",
    ],
)
def test_forms_of_files(tmp_path: Path, wrap: Any) -> None:
    model = Model()
    state = weights(model)
    load_checkpoint(model, save(wrap(state), tmp_path / "file.pth"))
    assert_loaded(model, {k: v for k, v in state.items() if "num_batches" not in k})


def test_misfit_is_told_key_by_key(tmp_path: Path) -> None:
    model = Model(joints=5)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    state = weights(Model(joints=17))
    state["heads.scale"] = torch.ones(2)
    state["backbone.0.bias_"] = state.pop("backbone.0.bias")
    path = save({"state_dict": state}, tmp_path / "other.pth")
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(model, path)
    message = str(caught.value)
    assert "other.pth does not fit Model: 2 of another shape, 1 missing, 2 unexpected" in message
    assert "head.weight is (5, 4, 1, 1) in the model, (17, 4, 1, 1) in the file" in message
    assert "backbone.0.bias (4,). Did you mean 'backbone.0.bias_'?" in message
    assert "heads.scale (2,)" in message
    assert_loaded(model, before)


def test_misfit_may_be_accepted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    model = Model(joints=5)
    head = {k: v.clone() for k, v in model.state_dict().items() if k.startswith("head")}
    state = weights(Model(joints=17))
    path = save({"state_dict": state}, tmp_path / "other.pth")
    with caplog.at_level(logging.WARNING):
        load_checkpoint(model, path, strict=False)
    assert "2 of another shape" in caplog.text
    assert_loaded(model, {k: v for k, v in state.items() if k.startswith("backbone")} | head)


def test_nothing_in_common_is_an_error_even_when_misfits_are_accepted(tmp_path: Path) -> None:
    path = save({"state_dict": {"encoder.weight": torch.ones(1)}}, tmp_path / "other.pth")
    with pytest.raises(CheckpointError, match=r"other\.pth has nothing for Model"):
        load_checkpoint(Model(), path, strict=False)


@pytest.mark.parametrize("prefix", ["backbone.", "backbone", None])
def test_pretrained_backbone_from_a_whole_model(tmp_path: Path, prefix: str | None) -> None:
    model = Model()
    state = weights(model)
    path = save(
        {"state_dict": {f"module.{k}": v for k, v in state.items()}}, tmp_path / "whole.pth"
    )
    load_pretrained(model.backbone, str(path), prefix)
    expected = {k: v for k, v in state.items() if k.startswith("backbone.")}
    assert_loaded(model, expected)


def test_pretrained_by_init_cfg(tmp_path: Path) -> None:
    source = ResNet(18)
    state = weights(source)
    path = save({f"backbone.{k}": v for k, v in state.items()}, tmp_path / "resnet.pth")
    model = ResNet(18, init_cfg={"type": "Pretrained", "checkpoint": str(path)})
    model.init_weights()
    assert_loaded(model, state)  # not even the last norms of blocks start at zero


def test_pretrained_with_a_wrong_prefix(tmp_path: Path) -> None:
    path = save({"state_dict": weights(Model())}, tmp_path / "whole.pth")
    with pytest.raises(CheckpointError, match=r"whole\.pth has nothing for Sequential"):
        load_pretrained(Model().backbone, str(path), "neck")


def vit(**arguments: Any) -> VisionTransformer:
    arch = {"embed_dims": 8, "num_layers": 1, "num_heads": 2, "feedforward_channels": 8}
    options = {"with_cls_token": False, "out_type": "featmap", **arguments}
    return VisionTransformer(arch=arch, patch_size=4, **options)


def test_positions_are_fitted_to_the_image_size(tmp_path: Path) -> None:
    source = vit(img_size=16, with_cls_token=True)
    state = weights(source)
    # Rows rise linearly; so they do after the interpolation, away from the border.
    grid = torch.arange(4.0)[:, None, None].expand(4, 4, 8)
    state["pos_embed"] = torch.cat([torch.full((1, 1, 8), 9.0), grid.reshape(1, 16, 8)], dim=1)
    path = save({"state_dict": state}, tmp_path / "vit.pth")

    same_size = vit(img_size=[16, 16])
    load_checkpoint(same_size, path, strict=False)
    torch.testing.assert_close(same_size.pos_embed, state["pos_embed"][:, 1:], rtol=0, atol=0)

    larger = vit(img_size=[32, 16], with_cls_token=True, interpolate_mode="bilinear")
    load_checkpoint(larger, path)
    torch.testing.assert_close(larger.pos_embed[:, 0], torch.full((1, 8), 9.0), rtol=0, atol=0)
    rows = larger.pos_embed[0, 1:].reshape(8, 4, 8)
    assert torch.equal(rows, rows[:, :1, :1].expand(8, 4, 8))
    # Half-pixel centres: target row 3 lies at 1.25 between rows 1 and 2.
    torch.testing.assert_close(rows[3:5, 0, 0], torch.tensor([1.25, 1.75]))


def test_truncated_file(tmp_path: Path) -> None:
    path = save({"state_dict": weights(Model())}, tmp_path / "cut.pth")
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(CheckpointError, match=r"cut\.pth: truncated"):
        read_checkpoint(path)


def test_truncated_legacy_file(tmp_path: Path) -> None:
    path = save({"state_dict": weights(Model())}, tmp_path / "cut.pth", legacy=True)
    content = path.read_bytes()
    for length in (20, len(content) // 2, len(content) - 20):
        path.write_bytes(content[:length])
        with pytest.raises(CheckpointError, match=r"cut\.pth: damaged or no checkpoint"):
            read_checkpoint(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
        (b"<!DOCTYPE html><html></html>", "a web page"),
        (b"epoch,loss\n1,0.5\n", "neither a zip archive nor a pickle"),
        (pickle.dumps(3), "damaged or no checkpoint"),
    ],
    ids=["empty", "lfs", "html", "text", "number"],
)
def test_files_of_other_kinds(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "odd.pth"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=rf"odd\.pth: .*{message}"):
        read_checkpoint(path)


def test_torchscript_is_not_run(tmp_path: Path) -> None:
    path = tmp_path / "script.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("script/constants.pkl", b"")
        archive.writestr("script/data.pkl", b"")
    with pytest.raises(CheckpointError, match="TorchScript"):
        read_checkpoint(path)


def test_other_content_is_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="holds a list, not a mapping"):
        read_checkpoint(save([1, 2], tmp_path / "list.pth"))
    checkpoint = read_checkpoint(save({"epoch": 3, "config": "a"}, tmp_path / "empty.pth"))
    with pytest.raises(CheckpointError, match="holds no weights; its entries are epoch, config"):
        weights_of(checkpoint, "empty.pth")


def test_missing_file(tmp_path: Path) -> None:
    save({}, tmp_path / "best.pth")
    with pytest.raises(CheckpointError, match=r"no checkpoint at .*Did you mean 'best\.pth'"):
        read_checkpoint(tmp_path / "bast.pth")
    with pytest.raises(CheckpointError, match=r"torchvision://resnet51 is no local file"):
        read_checkpoint("torchvision://resnet51")


def test_an_address_is_a_file_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAYPOSE_WEIGHTS_DIR", str(tmp_path / "weights"))
    monkeypatch.delenv("RAYPOSE_OFFLINE", raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    model = Model()
    content = save({"state_dict": weights(model)}, tmp_path / "model.pth").read_bytes()
    with serving({"/whole.pth": content}) as server:
        load_pretrained(model.backbone, f"{server.address}/whole.pth")
        load_checkpoint(model, f"{server.address}/whole.pth")
    assert_loaded(model, weights(model))
    assert len(server.requests) == 1
    monkeypatch.setenv("RAYPOSE_OFFLINE", "1")
    with pytest.raises(CheckpointError, match=r"b\.pth cannot be downloaded"):
        read_checkpoint("https://a.org/b.pth")
    with pytest.raises(CheckpointError, match=r"resnet50-0676ba61\.pth cannot be downloaded"):
        load_pretrained(model, "torchvision://resnet50")


def test_digest_in_the_name_is_held(tmp_path: Path) -> None:
    path = save({"state_dict": weights(Model())}, tmp_path / "model.pth")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:8]
    right = path.rename(tmp_path / f"hrnet_w32_coco_256x192-{digest}_20200708.pth")
    load_checkpoint(Model(), right)
    right = right.rename(tmp_path / f"cid_hrnet-w32_coco-512x512_{digest}-20230207.pth")
    load_checkpoint(Model(), right)
    wrong = right.rename(tmp_path / "hrnet_w32_coco_256x192-c78dce93_20200708.pth")
    with pytest.raises(CheckpointError, match=f"promises sha256 c78dce93.*it has {digest}"):
        read_checkpoint(wrong)


def test_safetensors(tmp_path: Path) -> None:
    model = Model()
    path = tmp_path / "model.safetensors"
    save_file(weights(model), path)
    load_checkpoint(model, path)
    assert_loaded(model, weights(model))
    path.write_bytes(b"not one")
    with pytest.raises(CheckpointError, match="damaged or no safetensors file"):
        read_checkpoint(path)
