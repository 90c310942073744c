"""The commands of `raypose data skeleton` in this process: what they print, write and return."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from raypose.cli import main
from raypose.structures import Skeleton
from tests.inspection.test_sigmas import SPREAD, relabelled
from tests.inspection.walkers import NAMES, walkers, write_labels


def test_new_writes_a_skeleton_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (file,) = write_labels(tmp_path, labels=walkers(1, seed=0, prefix="a"))
    out = tmp_path / "deep" / "walker.yaml"
    words = ["data", "skeleton", "new", "--from", file, "--category", "walker", "-o", str(out)]
    assert main(words) == 0
    skeleton = Skeleton.load(out)
    assert skeleton.keypoint_names == NAMES
    assert skeleton.flip_indices == (0, 1, 3, 2, 5, 4, 7, 6)
    assert skeleton.lower_body_ids == (1, 2, 3, 4, 5, 6, 7)
    assert out.read_text().splitlines()[:4] == [
        "# 8 keypoints of labels.json",
        "# 3 mirror pairs",
        "# upper and lower half from the names: 1 and 7",
        "# no sigmas: OKS, and with it CocoMetric, is not defined",
    ]
    assert main(words) == 2
    assert f"{out} is there already" in capsys.readouterr().err


def test_new_prints_without_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (file,) = write_labels(tmp_path, labels=walkers(1, seed=0, prefix="a"))
    assert main(["data", "skeleton", "new", "--from", file]) == 0
    assert Skeleton.load(yaml.safe_load(capsys.readouterr().out)).name == "walker"


def test_sigmas_are_measured_and_written(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    truth = walkers(400, seed=0, prefix="a")
    files = write_labels(tmp_path, ann=relabelled(truth, 1), bob=relabelled(truth, 2))
    out = tmp_path / "walker.yaml"
    assert main(["data", "skeleton", "sigmas", *files, "-o", str(out)]) == 0
    sigmas = Skeleton.load(out).sigmas
    assert sigmas == pytest.approx(2**0.5 * SPREAD, rel=0.1)
    assert out.read_text().splitlines()[0] == (
        "# sigmas from labels that were repeated, at least 400 of a keypoint, in ann.json, bob.json"
    )


def test_sigmas_of_what_is_broken(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    truth = walkers(20, seed=0, prefix="a")
    del truth["annotations"][3]["keypoints"][-3:]
    (file,) = write_labels(tmp_path, labels=truth)
    assert main(["data", "skeleton", "sigmas", file, file]) == 2
    error = capsys.readouterr().err
    assert "annotation 4 24 numbers of 8 keypoints expected, got 21" in error
    assert "see raypose data check" in error


def test_sigmas_of_one_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (file,) = write_labels(tmp_path, labels=walkers(20, seed=0, prefix="a"))
    assert main(["data", "skeleton", "sigmas", file]) == 2
    assert "give two files or more" in capsys.readouterr().err
