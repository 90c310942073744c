"""The report: one well-formed file that holds every picture and number, and fetches nothing."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import cv2
import numpy as np
import pytest

from raypose.structures import Poses, Skeleton
from raypose.visualization import (
    Chart,
    Command,
    Example,
    Number,
    Report,
    Stage,
    write_report,
)

COCO = Skeleton.load("coco")


def example(score: float | None, caption: str, with_truth: bool = True) -> Example:
    keypoints = np.random.default_rng(0).uniform(20, 200, (1, 17, 2)).astype(np.float32)
    poses = Poses(keypoints=keypoints, keypoint_scores=np.ones((1, 17), np.float32))
    image = np.full((240, 320, 3), 90, np.uint8)
    truth = poses if with_truth else None
    return Example(image=image, prediction=poses, truth=truth, caption=caption, score=score)


@pytest.fixture
def report() -> Report:
    return Report(
        title="demo <1>",
        summary="Trained & shown.",
        skeleton=COCO,
        numbers=[Number(label="AP", value="0.713", note="COCO"), Number(label="EPE", value="4.2")],
        stages=[
            Stage(name="Drew", seconds=9.24, detail="850 pictures"),
            Stage(name="Trained", seconds=131.0),
        ],
        charts=[Chart(title="Loss", x_label="epoch", series={"loss": [(1, 1.0), (2, 0.4)]})],
        examples=[example(0.91, "val/1.jpg"), example(0.62, "val/2.jpg", with_truth=False)],
        worst=[example(0.31, "val/3.jpg")],
        commands=[Command(line="curl -F image=@a.jpg http://x && echo", about="Ask it")],
        footer="seed 0",
    )


def page_of(path: Path) -> ET.Element:
    return ET.fromstring(path.read_text(encoding="utf-8"))


def test_everything_is_on_the_page(report: Report, tmp_path: Path) -> None:
    path = write_report(report, tmp_path / "deep" / "report.html")
    text = " ".join(" ".join(page_of(path).itertext()).split())
    for expected in (
        "demo <1>", "Trained & shown.", "AP", "0.713", "EPE", "4.2", "9.2 s", "2 min 11 s",
        "2 min 20 s in all", "850 pictures", "Loss", "val/1.jpg", "val/2.jpg", "val/3.jpg",
        "OKS 0.91", "OKS 0.62", "OKS 0.31", "curl -F image=@a.jpg http://x && echo", "seed 0",
    ):  # fmt: skip
        assert expected in text


def test_pictures_are_inside_and_can_be_decoded(report: Report, tmp_path: Path) -> None:
    path = write_report(report, tmp_path / "report.html")
    sources = [image.attrib["src"] for image in page_of(path).iter("img")]
    assert len(sources) == 2 + 1 + 2
    for source in sources:
        kind, _, data = source.partition(",")
        assert kind == "data:image/jpeg;base64"
        decoded = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)
        assert decoded is not None
        assert decoded.shape == (240, 320, 3)
        assert decoded.std() > 3  # the pose is drawn on the plain grey


def test_nothing_is_fetched_or_run(report: Report, tmp_path: Path) -> None:
    path = write_report(report, tmp_path / "report.html")
    page = page_of(path)
    assert not list(page.iter("script"))
    assert not list(page.iter("link"))
    references = re.findall(r'(?:src|href)="([^"]{0,12})', path.read_text(encoding="utf-8"))
    assert all(reference.startswith("data:image/") for reference in references)
    assert "url(" not in path.read_text(encoding="utf-8")


def test_badges_follow_the_score(report: Report, tmp_path: Path) -> None:
    page = page_of(write_report(report, tmp_path / "report.html"))
    badges = {b.text: b.attrib["class"] for b in page.iter("b") if "badge" in b.get("class", "")}
    assert badges == {
        "OKS 0.91": "badge good",
        "OKS 0.62": "badge fair",
        "OKS 0.31": "badge poor",
    }


def test_large_pictures_are_shrunk(tmp_path: Path) -> None:
    poses = Poses.empty(17)
    image = np.zeros((1500, 3000, 3), np.uint8)
    report = Report(
        title="t", summary="", skeleton=COCO, examples=[Example(image=image, prediction=poses)]
    )
    page = page_of(write_report(report, tmp_path / "r.html"))
    (picture,) = page.iter("img")
    data = base64.b64decode(picture.attrib["src"].partition(",")[2])
    decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    assert decoded.shape == (240, 480, 3)


def test_empty_parts_are_left_out(tmp_path: Path) -> None:
    page = page_of(write_report(Report(title="t", summary="s", skeleton=COCO), tmp_path / "r.html"))
    assert not list(page.iter("section"))
