"""The commands of `raypose data` in this process: what they print, write and return."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from raypose.cli import main
from tests.inspection.walkers import Content, draw_pictures, walkers, write_labels
from tests.tiny_runs import write_experiment


@pytest.fixture
def labels(tmp_path: Path) -> tuple[Content, Content]:
    """Content of two splits whose pictures are in `tmp_path`."""
    train, val = walkers(40, seed=0, prefix="train"), walkers(10, seed=1, prefix="val")
    draw_pictures(tmp_path, train, val)
    return train, val


def test_check_says_what_is_wrong_and_ends_with_1(
    labels: tuple[Content, Content], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train, val = labels
    (tmp_path / "train3.png").unlink()
    for entry in val["annotations"]:
        entry["bbox"][2] += 160
    files = write_labels(tmp_path, train=train, val=val)
    report = tmp_path / "deep" / "report.json"
    assert main(["data", "check", *files, "--json", str(report)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == (
        f"train: {files[0]}, 40 images, 40 instances, 100.0% of the 8 keypoints labelled"
    )
    assert "error: images that are not there (missing-image, 1)" in lines
    assert f"  {tmp_path}/train3.png image 3: no such file" in lines
    at = lines.index("warning: boxes that reach beyond the image (box-outside, 10)")
    assert len([line for line in lines[at:] if line.startswith("  ")]) == 10
    assert lines[-1] == "1 error, 10 warnings"
    record = json.loads(report.read_text())
    assert record["counts"] == {"missing-image": 1, "box-outside": 10}
    assert record["findings"][0] == {
        "severity": "error",
        "kind": "missing-image",
        "file": f"{tmp_path}/train3.png",
        "id": "image 3",
        "message": "no such file",
    }
    assert record["splits"]["val"]["instances"] == 10


def test_warnings_end_with_1_only_if_strict(
    labels: tuple[Content, Content], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train, _ = labels
    for entry in train["annotations"][:12]:
        entry["bbox"][2] += 160
    (file,) = write_labels(tmp_path, train=train)
    assert main(["data", "check", file]) == 0
    assert "  and 2 more" in capsys.readouterr().out.splitlines()
    assert main(["data", "check", file, "--strict", "--all"]) == 1
    assert "  and 2 more" not in capsys.readouterr().out.splitlines()


def test_clean_data_ends_with_0(
    labels: tuple[Content, Content], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = write_labels(tmp_path, train=labels[0], val=labels[1])
    assert main(["data", "check", *files, "--strict"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "nothing was found"


def test_a_config_is_checked_with_overrides(
    synthetic_people: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = str(write_experiment(tmp_path, synthetic_people))
    assert main(["data", "check", config]) == 0
    broken = "data.val.dataset.ann_file=none.json"
    assert main(["data", "check", config, "--workers", "1", broken]) == 1
    assert f"{synthetic_people}/none.json: No such file" in capsys.readouterr().out


def test_stats_prints_numbers_and_writes_them(
    labels: tuple[Content, Content], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = write_labels(tmp_path, train=labels[0], val=labels[1])
    assert main(["data", "stats", *files, "--json", str(tmp_path / "numbers.json")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == [f"train: {files[0]}", "  images                40"]
    numbers = json.loads((tmp_path / "numbers.json").read_text())
    assert numbers["splits"]["val"]["instances"] == 10


def test_browse_writes_a_page(
    synthetic_people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = str(write_experiment(tmp_path, synthetic_people))
    monkeypatch.chdir(tmp_path)
    assert main(["data", "browse", config, "train.seed=3", "--count", "2"]) == 0
    assert (tmp_path / "browse_train.html").read_text().count("<figure>") == 2
    words = ["--split", "val", "--count", "1", "--output", "deep/page.html"]
    assert main(["data", "browse", config, *words]) == 0
    assert (tmp_path / "deep" / "page.html").read_text().count("<figure>") == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--count", "0"], "--count is at least 1, got 0"),
        (["--epoch", "-1"], "--epoch is at least 0, got -1"),
        (["--ids", "none"], "data.train has no sample none; ids are like"),
        (["data.train=null"], "data.train is missing"),
    ],
)
def test_mistakes_in_browsing(
    words: list[str],
    message: str,
    synthetic_people: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    config = str(write_experiment(tmp_path, synthetic_people))
    assert main(["data", "browse", config, *words]) == 2
    assert message in capsys.readouterr().err


def test_stats_of_a_file_that_is_not_there_end_with_2(
    labels: tuple[Content, Content], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (file,) = write_labels(tmp_path, train=labels[0])
    assert main(["data", "stats", file, str(tmp_path / "none.json")]) == 2
    output = capsys.readouterr()
    assert output.out.startswith(f"train: {file}\n")
    assert f"{tmp_path}/none.json: No such file" in output.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["a.json", "b.yaml"], "json files stand alone, without 'b.yaml'"),
        (["a.json", "train.epochs=3"], "json files stand alone, without 'train.epochs=3'"),
        (["a.yaml", "b.yaml"], "got 2 configs"),
        (["a.yaml", "--images", "b"], "--images is for json files"),
        (["none.yaml"], "none.yaml"),
        (["a.json", "--skeleton", "coko"], "Did you mean 'coco'"),
        (["a.json", "--workers", "0"], "--workers is at least 1, got 0"),
    ],
)
def test_mistakes_of_the_user_end_with_2(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "check", *words]) == 2
    assert message in capsys.readouterr().err
