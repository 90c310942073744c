"""The report: one well-formed file that holds every picture and number, and fetches nothing."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import cv2
import numpy as np
import pytest

from raypose.visualization import (
    Badge,
    Chart,
    Charts,
    Command,
    Commands,
    Example,
    Facts,
    Gallery,
    Histogram,
    Number,
    Numbers,
    Report,
    Stage,
    Table,
    Timeline,
    write_report,
)


def example(oks: float | None, caption: str, names: tuple[str, ...] = ("prediction",)) -> Example:
    image = np.full((240, 320, 3), 90, np.uint8)
    image[100:140, 100:200] = (20, 200, 20)
    badge = None if oks is None else Badge.of_oks(oks)
    return Example(views=[(name, image) for name in names], caption=caption, badge=badge)


@pytest.fixture
def report() -> Report:
    return Report(
        title="demo <1>",
        summary="Trained & shown.",
        parts=[
            Numbers(
                [
                    Number(label="AP", value="0.713", note="COCO"),
                    Number(label="EPE", value="4.2"),
                ]
            ),
            Timeline(
                [
                    Stage(name="Drew", seconds=9.24, detail="850 pictures"),
                    Stage(name="Trained", seconds=131.0),
                    Stage(name="Slept", seconds=7200.0),
                ]
            ),
            Charts(
                "Training",
                [
                    Chart(title="Loss", x_label="epoch", series={"loss": [(1, 1.0), (2, 0.4)]}),
                    Histogram(title="Errors", x_label="px", values=[1.0, 2.0]),
                ],
            ),
            Table(
                heading="Keypoints & errors",
                about="of <all>",
                columns=["keypoint", "labels", "mean px"],
                rows=[("nose", [12, 2.5]), ("tail", [0, None]), ("all", [12, 5.0])],
                bars=["mean px"],
            ),
            Gallery(
                heading="Worst",
                about="Lowest OKS first.",
                examples=[
                    example(0.91, "val/1.jpg", ("prediction", "truth")),
                    example(0.62, "val/2.jpg"),
                    example(0.31, "val/3.jpg", ("prediction", "truth")),
                ],
            ),
            Facts(
                heading="Config",
                facts={"Model": "HRNet", "Nothing": ""},
                text_name="All of it",
                text="a: <1>",
            ),
            Commands([Command(line="curl -F image=@a.jpg http://x && echo", about="Ask it")]),
        ],
        footer="seed 0",
    )


def page_of(path: Path) -> ET.Element:
    return ET.fromstring(path.read_text(encoding="utf-8"))


def test_everything_is_on_the_page(report: Report, tmp_path: Path) -> None:
    path = write_report(report, tmp_path / "deep" / "report.html")
    text = " ".join(" ".join(page_of(path).itertext()).split())
    for expected in (
        "demo <1>", "Trained & shown.", "AP", "0.713", "EPE", "4.2", "9.2 s", "2 min 11 s",
        "2 h 0 min", "2 h 2 min in all", "850 pictures", "Loss", "Errors",
        "val/1.jpg", "val/2.jpg", "val/3.jpg",
        "OKS 0.91", "OKS 0.62", "OKS 0.31", "curl -F image=@a.jpg http://x && echo", "seed 0",
        "Keypoints & errors", "of <all>", "nose 12 2.5", "tail 0 -", "Model HRNet", "a: <1>",
    ):  # fmt: skip
        assert expected in text
    assert "Nothing" not in text


def test_bars_of_a_table_are_shares_of_the_largest(report: Report, tmp_path: Path) -> None:
    page = page_of(write_report(report, tmp_path / "report.html"))
    bars = [
        i.attrib["style"]
        for span in page.iter("span")
        if span.get("class") == "meter"
        for i in span
    ]
    assert bars == ["width:50.0%", "width:100.0%"]


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
        assert decoded.std() > 3


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
    large = Example(views=[("whole", np.zeros((1500, 3000, 3), np.uint8))])
    report = Report(title="t", summary="", parts=[Gallery(heading="g", examples=[large])])
    page = page_of(write_report(report, tmp_path / "r.html"))
    (picture,) = page.iter("img")
    data = base64.b64decode(picture.attrib["src"].partition(",")[2])
    decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    assert decoded.shape == (240, 480, 3)


def test_empty_parts_are_left_out(tmp_path: Path) -> None:
    parts = [
        Numbers([]),
        Timeline([]),
        Charts("c", []),
        Table(heading="t", columns=["a"], rows=[]),
        Gallery(heading="g", examples=[]),
        Facts(heading="f", facts={}),
        Commands([]),
    ]
    page = page_of(write_report(Report(title="t", summary="s", parts=parts), tmp_path / "r.html"))
    assert not list(page.iter("section"))
    assert [path.name for path in tmp_path.iterdir()] == ["r.html"]
