"""The data engine: annotate, select, correct, train on what was corrected."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from raypose.cli import main
from raypose.config import Config, build_dataset, load_config
from raypose.datasets import CocoDataset
from raypose.distributed.annotate import annotate
from raypose.distributed.train import train
from raypose.inference import Predictor
from raypose.inference.annotation.parts import read_annotations
from raypose.inference.annotation.selection import (
    DATASET,
    IMAGES,
    REASONS,
    SELECTED,
    select_uncertain,
)
from raypose.inference.annotation.table import poses_of
from raypose.inference.annotation.uncertainty import doubts_of, flip_disagreement, total_of
from raypose.ops.image_files import read_image
from tests.distributed.conftest import Jobs
from tests.tiny_runs import write_experiment


def test_what_is_selected_is_what_the_model_doubts_most(
    job: Jobs, pictures: Path, model: tuple[Config, Path], tmp_path: Path
) -> None:
    annotate(job())
    count = select_uncertain(job(), job().plan(), 2, tmp_path / "chosen")
    assert count == 2
    reasons = json.loads((tmp_path / "chosen" / REASONS).read_text())
    predictor = Predictor(model[0], weights=model[1], device="cpu")
    skeleton = model[0].skeleton
    assert skeleton is not None
    expected = {}
    for row, (doubt, *_) in doubts_of(r for r in read_annotations(job().out) if r["instances"]):
        image = read_image(pictures / row["source"])
        (poses,) = predictor.predict([np.ascontiguousarray(image[:, ::-1])])
        back = poses.keypoints[:, list(skeleton.flip_indices)].astype(float)
        back[..., 0] = image.shape[1] - 1 - back[..., 0]
        flip = flip_disagreement(row["instances"][0], back)
        expected[row["source"]] = 1 - (1 - doubt.total) * (1 - flip)
    most = sorted(expected, key=lambda name: -expected[name])[:2]
    assert {reason["source"] for reason in reasons} == set(most)
    for reason in reasons:
        assert reason["uncertainty"] == pytest.approx(expected[reason["source"]], abs=1e-3)


def test_the_selection_is_a_dataset_that_was_labelled_already(job: Jobs, tmp_path: Path) -> None:
    annotate(job())
    out = tmp_path / "chosen"
    select_uncertain(job(), job().plan(), 3, out)
    samples = CocoDataset(ann_file=str(out / DATASET), data_prefix={"img": f"{out / IMAGES}/"})
    assert len(samples) == 3
    rows = {row["source"]: row for row in read_annotations(job().out)}
    for sample in samples:
        image = read_image(sample.img_path)
        assert image.shape[:2] == sample.img_shape
        name = Path(sample.img_path).relative_to(out / IMAGES).as_posix()
        assert sample.keypoints is not None
        found = poses_of(rows[name], 17).keypoints[0]
        np.testing.assert_allclose(sample.keypoints[0], found, atol=1e-3)
    before = {path.name: path.read_bytes() for path in out.rglob("*.json")}
    select_uncertain(job(), job().plan(), 3, out)
    assert {path.name: path.read_bytes() for path in out.rglob("*.json")} == before
    select_uncertain(job(), job().plan(), 1, out)
    assert len([path for path in out.rglob("*.jpg")]) == 1


def test_frames_of_a_video_are_apart(job: Jobs, video: Path, tmp_path: Path) -> None:
    asked = job(source=video)
    annotate(asked)
    # Seven frames, five a second: two of them are a second apart at most.
    count = select_uncertain(asked, asked.plan(), 5, tmp_path / "chosen")
    reasons = json.loads((tmp_path / "chosen" / REASONS).read_text())
    assert 1 <= count == len(reasons) <= 2
    frames = [reason["frame"] for reason in reasons]
    assert all(b - a >= 5 for a, b in pairwise(frames))
    best = max(doubts_of(read_annotations(asked.out)), key=lambda pair: total_of(pair[1]))
    assert best[0]["source"] == reasons[0]["source"] == "walk.avi"
    name = f"walk.avi/{frames[0]:06d}.jpg"
    assert read_image(tmp_path / "chosen" / IMAGES / name).shape == (120, 160, 3)


@pytest.mark.timeout(240)
def test_corrected_labels_join_a_training_with_one_line(
    synthetic_people: Path, model: tuple[Config, Path], tmp_path: Path
) -> None:
    source = synthetic_people / "images" / "val"
    folder = tmp_path / "config"
    path = write_experiment(folder, synthetic_people)
    poses = tmp_path / "poses"
    line = ["annotate", str(source), "--pose", str(path), "--weights", str(model[1])]
    assert main([*line, "--out", str(poses), "--select", "uncertain:4"]) == 0

    # A person corrects: everybody is as the drawing has them.
    labels = poses / SELECTED / DATASET
    content = json.loads(labels.read_text())
    truth = json.loads((synthetic_people / "val.json").read_text())
    numbers = {Path(image["file_name"]).name: image["id"] for image in truth["images"]}
    corrected = []
    for image in content["images"]:
        corrected += [
            {**entry, "image_id": image["id"], "id": 1000 + entry["id"], "category_id": 1}
            for entry in truth["annotations"]
            if entry["image_id"] == numbers[Path(image["file_name"]).name]
        ]
    labels.write_text(json.dumps({**content, "annotations": corrected}))

    before = len(build_dataset(load_config(path), "train"))
    images = poses / SELECTED / IMAGES
    # The one line.
    added = {"type": "CocoDataset", "ann_file": str(labels), "data_prefix": {"img": str(images)}}
    path = write_experiment(folder, synthetic_people, data__train__add=[added], train__epochs=1)
    after = len(build_dataset(load_config(path), "train"))
    assert after == before + len(corrected) > before
    metrics = train(load_config(path), tmp_path / "run")
    assert metrics["PCK"] > 0


def test_what_can_be_selected(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = ["annotate", "x", "--pose", "rtmpose-m", "--out", str(tmp_path), "--select"]
    for words in ("certain", "uncertain:0", "uncertain:x"):
        assert main([*line, words]) == 2
        assert "--select: uncertain or uncertain:50 is expected" in capsys.readouterr().err
