"""The command `raypose data convert`, on a DeepLabCut project."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from raypose.cli import main
from raypose.cli.convert import FORMAT_NAMES, MOTION_NAMES
from raypose.config import build_dataset, load_config
from raypose.converters import FORMATS, read_labels
from raypose.converters.deeplabcut import write_deeplabcut
from raypose.converters.motion_conversion import MOTION_FORMATS
from tests.converters.samples import FIRST, SECOND, assert_same, labels_of, mouse
from tests.converters.test_bvh import TEXT


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """DeepLabCut project of ten frames of two videos."""
    instances = {f"m{i % 2}/img{i:04d}.png": [mouse(FIRST if i else SECOND)] for i in range(10)}
    write_deeplabcut(labels_of(tmp_path / "pictures", instances), tmp_path / "project")
    return tmp_path / "project"


def test_help_names_all_formats() -> None:
    assert tuple(FORMATS) == FORMAT_NAMES
    assert [FORMATS[name].write is None for name in FORMAT_NAMES] == [False] * 7 + [True]
    assert tuple(MOTION_FORMATS) == MOTION_NAMES


def test_project_to_data_that_trains(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "mice"
    assert main(["data", "convert", str(project), "-o", str(out), "--val", "0.3"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed == [
        f"{out}/train.json: 7 pictures",
        f"{out}/val.json: 3 pictures",
        f"{out}/config.yaml: raypose train {out}/config.yaml --work-dir runs/mouse",
    ]
    config = load_config(out / "config.yaml")
    assert len(build_dataset(config, "train")) == 7
    assert len(build_dataset(config, "val")) == 3
    assert_same(read_labels(out), read_labels(project), tracks=False)


def test_options_reach_the_converter(project: Path, tmp_path: Path) -> None:
    skeleton = tmp_path / "rat.yaml"
    skeleton.write_text("name: rat\nkeypoints: [tail, left_ear, right_ear, snout]\n")
    words = ["--from", "deeplabcut", "--skeleton", str(skeleton), "--split-by", "video", "--link"]
    words += ["--val", "0.5", "--seed", "3"]
    assert main(["data", "convert", str(project), "-o", str(tmp_path / "out"), *words]) == 0
    content = json.loads((tmp_path / "out" / "val.json").read_text())
    assert content["categories"][0]["keypoints"] == ["tail", "left_ear", "right_ear", "snout"]
    assert len({image["video"] for image in content["images"]}) == 1
    assert all((tmp_path / "out" / image["file_name"]).is_symlink() for image in content["images"])


def test_other_formats(project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "convert", str(project), "--to", "sleap", "-o", str(tmp_path / "s")]) == 0
    assert capsys.readouterr().out == f"{tmp_path}/s\n"
    assert len(read_labels(tmp_path / "s" / "labels.slp").images) == 10


def test_motion_to_lifting(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "walk.bvh").write_text(TEXT)
    words = [str(tmp_path / "walk.bvh"), "--to", "lifting", "-o", str(tmp_path / "out")]
    words += ["--val", "0.34", "--unit", "cm", "--up", "y", "--rate", "50"]
    assert main(["data", "convert", *words]) == 0
    out = tmp_path / "out"
    assert capsys.readouterr().out.splitlines() == [
        f"{out}/train.npz: 8 views of poses",
        f"{out}/val.npz: 4 views of poses",
        f"{out}/config.yaml: raypose train {out}/config.yaml --work-dir runs/body",
    ]
    assert len(build_dataset(load_config(out / "config.yaml"), "val")) == 4


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--to", "slep"], "no format 'slep' to write"),
        (["--from", "sleap"], "one .slp file in this folder expected, got none"),
        (["--val", "1"], "a share from 0 to less than 1"),
        (["--skeleton", "cocoo"], "unknown skeleton 'cocoo'. Did you mean 'coco'?"),
        (
            ["--images", "none"],
            "CollectedData_raypose.csv: labeled-data/m0/img0000.png: no picture",
        ),
    ],
)
def test_mistakes(
    project: Path,
    tmp_path: Path,
    words: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["data", "convert", str(project), "-o", str(tmp_path / "out"), *words]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
