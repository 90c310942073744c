"""The runtime of one process: where its checkpoints go."""

from __future__ import annotations

from pathlib import Path

import pytest
from torch import nn

from raypose.models.estimators import TopdownPoseEstimator
from raypose.training import runtime as runtime_module
from raypose.training.runtime import LocalRuntime, install
from raypose.training.train_step import TrainStep


def test_checkpoints_go_to_the_work_folder(tmp_path: Path) -> None:
    work = tmp_path / "work"
    runtime = LocalRuntime(work, "cpu")
    made = tmp_path / "made.pth"
    for text, best in (("one", True), ("two", False)):
        made.write_text(text)
        runtime.report({}, made, best)
    runtime.report({}, None, best=True)
    assert {path.name: path.read_text() for path in work.iterdir()} == {
        "last.pth": "two",
        "best.pth": "one",
    }


@pytest.mark.parametrize(("resume", "there"), [(True, True), (True, False), (False, True)])
def test_only_a_resumed_run_starts_from_a_checkpoint(
    tmp_path: Path, resume: bool, there: bool
) -> None:
    if there:
        (tmp_path / "last.pth").write_text("")
    found = LocalRuntime(tmp_path, "cpu", resume).latest_checkpoint()
    assert found == (tmp_path / "last.pth" if resume and there else None)


def test_an_interrupted_copy_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = tmp_path / "source", tmp_path / "folder" / "target"
    source.write_text("old")
    install(source, target)

    def half(source: Path, target: Path) -> None:
        target.write_text("ne")
        raise OSError("no space left")

    monkeypatch.setattr(runtime_module.shutil, "copyfile", half)
    with pytest.raises(OSError, match="no space"):
        install(source, target)
    assert target.read_text() == "old"


def test_one_process_is_alone() -> None:
    runtime = LocalRuntime(Path(), "cpu")
    step = TrainStep(TopdownPoseEstimator(backbone=nn.BatchNorm2d(2)), None)
    assert runtime.prepare(step, sync_bn=True) is step
    assert (runtime.rank, runtime.world_size) == (0, 1)
    assert runtime.broadcast(runtime.gather("x")) == ["x"]
