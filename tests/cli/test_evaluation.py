"""`raypose eval` and `raypose report` once on tiny data, in this process."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from hotcoco import COCO, COCOeval

from raypose.cli import main
from raypose.training.answers import read_answers
from tests.tiny_runs import write_experiment


@pytest.fixture(scope="module")
def folder(synthetic_people: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a config and of a finished run of it."""
    folder = tmp_path_factory.mktemp("cli")
    metrics = [{"type": "CocoMetric", "nms_mode": "none"}, {"type": "EPE"}]
    config = write_experiment(folder, synthetic_people, metrics=metrics, train__save_best="EPE")
    assert main(["train", str(config), "--work-dir", str(folder / "run")]) == 0
    return folder


def numbers(capsys: pytest.CaptureFixture[str], *words: str | Path) -> dict[str, float]:
    assert main(["eval", *map(str, words)]) == 0
    return json.loads(capsys.readouterr().out)


def boxes_of(data: Path, target: Path) -> Path:
    """Write the annotated boxes as a detector would."""
    content = json.loads((data / "val.json").read_text())
    found = [
        {**{key: a[key] for key in ("image_id", "category_id", "bbox")}, "score": 0.5 + 0.01 * i}
        for i, a in enumerate(content["annotations"])
    ]
    target.write_text(json.dumps(found))
    return target


def test_a_config_and_a_checkpoint_or_the_folder_of_a_run(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    best = numbers(capsys, folder / "tiny.yaml", folder / "run" / "best.pth")
    written = json.loads((folder / "run" / "metrics.json").read_text())
    assert best["EPE"] == pytest.approx(written["best/EPE"])
    assert numbers(capsys, folder / "run") == pytest.approx(best)
    assert numbers(capsys, folder / "run" / "best.pth") == pytest.approx(best)
    last = numbers(capsys, folder / "run", folder / "run" / "last.pth", "-o", tmp_path / "x.json")
    assert last["EPE"] == pytest.approx(written["EPE"])
    assert json.loads((tmp_path / "x.json").read_text()) == last
    few = numbers(capsys, folder / "run", "data.val.dataset.indices=2")
    assert few["EPE"] != best["EPE"]


def test_flip_test_on_and_off(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plain = numbers(capsys, folder / "run")
    assert numbers(capsys, folder / "run", "--no-flip-test") == plain
    assert numbers(capsys, folder / "run", "--flip-test")["EPE"] != plain["EPE"]


def test_detected_boxes(
    folder: Path, synthetic_people: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    only_ap = "metrics=[{type: CocoMetric, nms_mode: none}]"
    truth = numbers(capsys, folder / "run", only_ap)
    boxes = boxes_of(synthetic_people, tmp_path / "boxes.json")
    line = [folder / "run", only_ap, "--boxes", boxes]
    assert numbers(capsys, *line).keys() == truth.keys()
    whole = numbers(capsys, *line, "metrics.0.score_mode=keypoint")
    assert whole == pytest.approx(numbers(capsys, folder / "run", only_ap, "--boxes", "gt"))
    assert main(["eval", *map(str, line), "--box-score", "0.99"]) == 2
    assert (
        "no detection of a person that is evaluated with a score of 0.99" in capsys.readouterr().err
    )
    boxes.write_text(
        json.dumps([{"image_id": 77777, "category_id": 1, "bbox": [0, 0, 9, 9], "score": 1}])
    )
    assert main(["eval", *map(str, line)]) == 2
    assert "detection 0: no image of" in capsys.readouterr().err


def test_predictions_are_coco_results(
    folder: Path, synthetic_people: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "deep" / "found.json"
    found = numbers(capsys, folder / "run", "--predictions", path)
    truth = COCO(str(synthetic_people / "val.json"))
    judge = COCOeval(truth, truth.load_res(str(path)), "keypoints")
    judge.evaluate()
    judge.accumulate()
    judge.summarize()
    assert judge.stats[0] == pytest.approx(found["coco/AP"], abs=1e-6)
    assert judge.stats[5] == pytest.approx(found["coco/AR"], abs=1e-6)
    capsys.readouterr()  # a table of the judge
    entries = json.loads(path.read_text())
    assert {len(entry["keypoints"]) for entry in entries} == {51}
    # Without a metric that ranks, the score is that of the box (1) times the keypoints' mean.
    numbers(capsys, folder / "run", "metrics=[{type: EPE}]", "--predictions", path)
    for entry in json.loads(path.read_text()):
        assert entry["score"] == pytest.approx(np.mean(entry["keypoints"][2::3]), rel=1e-5)
        assert len(entry["bbox"]) == 4
    table = tmp_path / "found.parquet"
    numbers(capsys, folder / "run", "--predictions", table)
    answers = read_answers(table)
    assert [answer.index for answer in answers] == list(range(len(entries)))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["{run}", "--predictions", "x.csv"], r"--predictions: a .json or .parquet file expected"),
        (["{run}", "--boxes", "none.json"], "--boxes: no file none.json"),
        (["{run}", "--boxes", "gt", "--box-score", "1"], "--box-score: annotated boxes have no"),
        (["{run}", "a", "b"], "a config and a checkpoint, or the folder of a run expected"),
        (["{folder}"], "no config.yaml in it; the folder of a training run is expected"),
        (["{folder}/tiny.yaml"], "names no weights"),
    ],
)
def test_mistakes(
    folder: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    line = [word.format(run=folder / "run", folder=folder) for word in words]
    assert main(["eval", *line]) == 2
    assert message in capsys.readouterr().err


def test_a_run_ends_with_a_report(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "Where it fails" in (folder / "run" / "report.html").read_text(encoding="utf-8")
    copy = tmp_path / "run"
    shutil.copytree(folder / "run", copy)
    (copy / "report.html").unlink()
    assert main(["report", str(copy)]) == 0
    assert capsys.readouterr().out.strip() == str(copy / "report.html")
    same = (copy / "report.html").read_text(encoding="utf-8")
    # A run of an older version kept no predictions: they are made again.
    (copy / "val_predictions.parquet").unlink()
    assert main(["report", str(copy), "-o", str(tmp_path / "page.html")]) == 0
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == same
    assert main(["report", str(tmp_path / "none")]) == 2
    assert "no such folder" in capsys.readouterr().err


def test_a_report_that_fails_does_not_undo_the_run(
    synthetic_people: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = write_experiment(tmp_path, synthetic_people, train__epochs=1)
    out = tmp_path / "run"
    (out / "report.html").mkdir(parents=True)
    assert main(["train", str(config), "--work-dir", str(out)]) == 0
    assert "no report; `raypose report" in caplog.text
