"""`raypose weights`, each command once."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from raypose.cli import main
from raypose.weights import cached_path, find_published
from tests.weights.file_server import FileServer


def test_list(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["weights", "list", "rtmpose-l"]) == 0
    printed = capsys.readouterr().out.splitlines()
    at = printed.index("rtmpose-l_8xb256-420e_body8-384x288 (rtmpose-l)")
    assert printed[at + 1] == "    Body8 AP 0.783, Mean@0.1 0.964"
    model = find_published("human")
    assert model is not None
    folder.mkdir()
    cached_path(model.url).touch()
    assert main(["weights", "list", "human"]) == 0
    assert capsys.readouterr().out.startswith(
        "rtmpose-m_8xb256-420e_body8-256x192 (human, body, body17, rtmpose-m) [downloaded]\n"
    )
    assert main(["weights", "list", "*rtmo/*/rtmo-t*"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2
    assert main(["weights", "list"]) == 0
    assert len(capsys.readouterr().out.splitlines()) > 700


def test_download_convert_inspect(
    server: FileServer, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save({"state_dict": {"keypoint_head.fc.bias": torch.ones(3)}}, tmp_path / "a.pth")
    server.files["/a.pth"] = (tmp_path / "a.pth").read_bytes()
    url, target = f"{server.address}/a.pth", tmp_path / "b.safetensors"
    assert main(["weights", "download", url]) == 0
    assert capsys.readouterr().out == f"{cached_path(url)}\n"
    assert main(["weights", "convert", url, str(target)]) == 0
    assert capsys.readouterr().out == f"{target}: 1 tensors\n"
    assert torch.equal(load_file(target)["head.fc.bias"], torch.ones(3))
    assert main(["weights", "inspect", str(target)]) == 0
    assert "head.fc.bias [3] float32" in capsys.readouterr().out
    assert len(server.requests) == 1


def test_mistakes_end_with_status_2(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RAYPOSE_OFFLINE", "1")
    assert main(["weights", "download", "human"]) == 2
    assert f"put it at {folder}" in capsys.readouterr().err
    assert main(["weights", "download", "humans"]) == 2
    assert "Did you mean 'human'?" in capsys.readouterr().err
