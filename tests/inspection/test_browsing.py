"""The page of samples: its pictures are those of training, in one file that fetches nothing."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import cv2
import numpy as np
import pytest
from playwright.sync_api import sync_playwright

from raypose.config import Config
from raypose.config.building import build_dataset, build_pipeline
from raypose.errors import RayposeError
from raypose.inspection.browsing import Choice, browse
from raypose.inspection.sample_pictures import SamplePictures
from raypose.structures import PoseSample, Skeleton
from raypose.training.feeds.feed import load_training_sample
from raypose.training.feeds.order import SamplePool
from raypose.visualization import Gallery, Report, write_report
from tests.distributed.serving.page.browser import find_browser, launch
from tests.tiny_runs import load_experiment


@pytest.fixture
def config(synthetic_people: Path, tmp_path: Path) -> Config:
    return load_experiment(tmp_path, synthetic_people)


def gallery(report: Report) -> Gallery:
    (found,) = (part for part in report.parts if isinstance(part, Gallery))
    return found


def names(report: Report) -> list[list[str]]:
    return [[name for name, _ in example.views] for example in gallery(report).examples]


def test_every_sample_before_after_and_as_heatmaps(config: Config) -> None:
    report = browse(config, Choice(count=3))
    assert report.title == "tiny: train"
    assert names(report) == [["before", "after", "heatmaps"]] * 3
    size = len(build_dataset(config, "train"))
    assert report.summary == f"3 of {size} samples, before and after the transforms."
    assert report.parts[-1].to_html().count("RandomBBoxTransform") == 1


def test_after_is_what_training_sees(config: Config) -> None:
    dataset, pipeline = build_dataset(config, "train"), build_pipeline(config, "train")
    pool = SamplePool(sizes=(len(dataset),))
    sample = load_training_sample(dataset, 4, 7, pipeline, pool)
    assert sample.image is not None
    # Without keypoints nothing is drawn on it.
    blank = SamplePictures(
        dataset=dataset,
        marked=[_unlabelled(dataset[index]) for index in range(len(dataset))],
        pipeline=pipeline,
        codec=None,
        skeleton=Skeleton.load("coco"),
        color_type="color",
    )
    views, before, dropped = blank.views(4, [7])
    assert (before.id, dropped) == (sample.id, False)
    assert [name for name, _ in views] == ["before", "after"]
    shown = cv2.resize(views[1][1], (48, 64), interpolation=cv2.INTER_AREA)
    assert np.abs(shown.astype(int) - sample.image).mean() < 6


def _unlabelled(sample: PoseSample) -> PoseSample:
    assert sample.keypoints_visible is not None
    sample.keypoints_visible[:] = 0
    return sample


def test_pages_are_the_same_each_time_and_other_epochs_differ(config: Config) -> None:
    choice = Choice(count=2)
    first, second = (gallery(browse(config, choice)).to_html() for _ in range(2))
    assert first == second
    assert gallery(browse(config, Choice(count=2, epoch=1))).to_html() != first
    assert gallery(browse(config, Choice(count=2, seed=1))).to_html() != first


def test_several_epochs_beside_each_other(config: Config) -> None:
    report = browse(config, Choice(count=1, epoch=2, draws=2))
    assert names(report) == [["before", "after, epoch 2", "after, epoch 3", "heatmaps"]]


def test_validation_and_all_of_it(config: Config) -> None:
    report = browse(config, Choice(split="val", count=1000))
    assert len(gallery(report).examples) == len(build_dataset(config, "val"))


def test_samples_by_their_ids(config: Config) -> None:
    known = [build_dataset(config, "train")[index].id for index in (3, 1)]
    report = browse(config, Choice(ids=known))
    assert [e.caption.split(":")[0] for e in gallery(report).examples] == known
    with pytest.raises(RayposeError, match=r"data.train has no sample 77, x; ids are like \d+, "):
        browse(config, Choice(ids=["77", known[0], "x"]))


def test_what_the_transforms_drop_is_told(synthetic_people: Path, tmp_path: Path) -> None:
    bottomup = {"data_mode": "bottomup"}
    config = load_experiment(tmp_path, synthetic_people)
    section = config.data["data"]["train"]
    section["dataset"] |= bottomup
    section["pipeline"] = [
        {"type": "LoadImage"},
        {"type": "FilterAnnotations", "min_kpt_vis": 100},
        {"type": "BottomupResize", "input_size": [64, 64]},
    ]
    report = browse(Config.from_resolved(config.data), Choice(count=2))
    assert names(report) == [["before"]] * 2
    assert all(
        example.badge is not None and example.badge.text == "dropped by the transforms"
        for example in gallery(report).examples
    )


def test_motion_capture_is_plotted(synthetic_people: Path, tmp_path: Path) -> None:
    np.savez(
        tmp_path / "train.npz",
        pose=np.random.default_rng(0).normal(size=(3, 17, 3)).astype(np.float32),
        clip=np.zeros(3, np.int64),
        cam_R=np.eye(3, dtype=np.float32)[None, None],
        cam_t=np.array([[[0, 0, 5]]], np.float32),
        cam_f=np.full((1, 1), 1000, np.float32),
        image_size=np.array([1000, 1000]),
        clip_names=np.array(["jump"]),
    )
    dataset = {"type": "MocapDataset", "ann_file": "train.npz", "data_root": str(tmp_path)}
    config = load_experiment(
        tmp_path,
        synthetic_people,
        skeleton="h36m",
        data__train={"dataset": dataset, "pipeline": []},
    )
    report = browse(config, Choice(count=2))
    assert names(report) == [["2D", "3D", "2D, after", "3D, after"]] * 2
    for example in gallery(report).examples:
        assert example.caption.startswith("jump.0_00000")
        assert all((image != image[0, 0]).any() for _, image in example.views)


def test_the_page_is_one_well_formed_file(config: Config, tmp_path: Path) -> None:
    path = write_report(browse(config, Choice(count=2)), tmp_path / "page.html")
    text = path.read_text(encoding="utf-8")
    tree = ET.fromstring(re.sub("<!DOCTYPE html>", "", text))
    images = [node.get("src", "") for node in tree.iter("img")]
    assert len(images) == 6
    for source in images:
        data = base64.b64decode(source.removeprefix("data:image/jpeg;base64,"))
        assert cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) is not None
    assert not re.search(r"(src|href)=\"(?!data:)", text)
    assert "Flips exchange left_eye and right_eye" in text
    assert '<div class="gallery large">' in text


def test_a_browser_shows_it(config: Config, tmp_path: Path) -> None:
    if find_browser() is None:
        pytest.skip("no Chromium, Chrome or Edge is installed")
    path = write_report(browse(config, Choice(count=3)), tmp_path / "page.html")
    with sync_playwright() as driver:
        chromium = launch(driver)
        page = chromium.new_page(viewport={"width": 1280, "height": 800})
        problems: list[str] = []
        page.on("console", lambda message: problems.append(message.text))
        page.on("requestfailed", lambda request: problems.append(request.url))
        page.goto(path.as_uri())
        page.evaluate("document.querySelectorAll('img').forEach(i => i.loading = 'eager')")
        page.wait_for_function("[...document.images].every(i => i.complete)")
        boxes = page.evaluate(
            "[...document.images].map(i => [i.naturalWidth, i.getBoundingClientRect().width])"
        )
        chromium.close()
    assert problems == []
    assert len(boxes) == 9
    assert all(natural > 0 and shown > 250 for natural, shown in boxes)
