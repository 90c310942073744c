"""`raypose pack` and a training of what it wrote, in this process."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from raypose.cli import main
from tests.tiny_runs import dataset, write_experiment


def test_what_is_printed_trains(
    synthetic_people: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    added = [dataset(synthetic_people, "val", skeleton="coco")]
    config = write_experiment(tmp_path, synthetic_people, data__train__add=added, train__epochs=1)
    line = [
        "pack",
        str(config),
        "-o",
        str(tmp_path / "packed"),
        "--workers",
        "0",
        "--shard-mb",
        "1",
    ]
    assert main(line) == 0
    printed = capsys.readouterr()
    assert "samples of 15 images" in printed.err
    words = printed.out.splitlines()
    assert words[0].startswith("data.train.dataset={type: PackedDataset, data_root: ")
    assert words[1:] == ["data.train.add=[]"]
    for name, overrides in (("one", []), ("two", words)):
        work_dir = ["--work-dir", str(tmp_path / name)]
        assert main(["train", str(config), *overrides, *work_dir]) == 0
        capsys.readouterr()
    one, two = (
        json.loads((tmp_path / name / "metrics.json").read_text()) for name in ("one", "two")
    )
    assert two["EPE"] == pytest.approx(one["EPE"], rel=0.05)
    assert main(line) == 2
    assert "is packed already" in capsys.readouterr().err
    assert main([*line, "--overwrite"]) == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--quality", "0"], "--quality is from 1 to 100, got 0"),
        (["--shard-mb", "5000"], "--shard-mb is from 1 to 2000, got 5000"),
        (["--workers", "-1"], "--workers is from 0 to 10000, got -1"),
    ],
)
def test_mistakes(
    words: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["pack", "demo", "-o", str(tmp_path / "x"), *words]) == 2
    assert message in capsys.readouterr().err
