"""Annotation without Ray: what is written, what is done again, what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from raypose.config import Config
from raypose.config.sections import AnnotateSection
from raypose.distributed.annotate import annotate, is_small
from raypose.errors import ConfigError, DataError, RayposeError
from raypose.inference import Predictor
from raypose.inference.annotation.inputs import read_boxes
from raypose.inference.annotation.output import MANIFEST
from raypose.inference.annotation.overlays import draw_annotations
from raypose.inference.annotation.parts import read_annotations
from raypose.inference.annotation.pictures import annotated_pictures
from raypose.inference.annotation.table import poses_of
from raypose.inference.annotation.tasks import Task
from raypose.ops.image_files import read_image
from tests.distributed.conftest import Jobs


def rows_of(out: str | Path) -> list[dict[str, Any]]:
    return list(read_annotations(out))


NAMES = [
    "000000.jpg",
    "000001.jpg",
    "000001b.jpg",
    "000002.jpg",
    "000002b.png",
    "000003.jpg",
    "000004.jpg",
    "below/last.jpg",
]


def test_every_picture_gets_its_row(job: Jobs, pictures: Path) -> None:
    lines: list[str] = []
    progress = annotate(job(), show=lines.append)
    rows = rows_of(job().out)
    assert [row["source"] for row in rows] == NAMES
    assert {row["frame"] for row in rows} == {0}
    broken = {row["source"]: row for row in rows if row["error"] is not None}
    assert set(broken) == {"000001b.jpg", "000002b.png"}
    assert "ends too early" in broken["000001b.jpg"]["error"]
    assert broken["000002b.png"]["instances"] == []
    assert broken["000002b.png"]["width"] is None
    assert (progress.done, progress.total, progress.errors) == (8, 8, 2)
    assert progress.instances == 6
    assert len(lines) == 3
    assert lines[-1].startswith("8/8 images  6 instances ")
    manifest = json.loads((Path(job().out) / MANIFEST).read_text())
    assert (manifest["complete"], manifest["rows"]) == (True, 8)
    assert (manifest["instances"], manifest["errors"]) == (6, 2)


def test_rows_hold_what_the_predictor_says(
    job: Jobs, pictures: Path, model: tuple[Config, Path]
) -> None:
    annotate(job())
    row = rows_of(job().out)[0]
    image = read_image(pictures / "000000.jpg")
    (poses,) = Predictor(model[0], weights=model[1], device="cpu").predict([image])
    assert (row["height"], row["width"]) == image.shape[:2]
    found = poses_of(row, 17)
    np.testing.assert_allclose(found.keypoints, poses.keypoints, rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(found.keypoint_scores, poses.keypoint_scores, rtol=1e-4)
    assert row["instances"][0]["bbox"] == [0, 0, image.shape[1], image.shape[0]]
    assert row["instances"][0]["keypoints_3d"] is None


def test_files_are_read_by_others(job: Jobs) -> None:
    annotate(job())
    for part in Path(job().out).glob("part-*.parquet"):
        schema = pq.read_schema(part)
        assert not any(isinstance(field.type, pa.BaseExtensionType) for field in schema)
        assert not any(isinstance(v.type, pa.BaseExtensionType) for v in instance_fields(schema))
    frame = pq.read_table(Path(job().out)).to_pandas()
    assert frame["source"].tolist() == NAMES
    keypoints = np.stack(frame["instances"][0][0]["keypoints"])
    assert keypoints.shape == (17, 2)
    back = pa.Table.from_pandas(frame, schema=pq.read_schema(part), preserve_index=False)
    assert back.to_pylist() == rows_of(job().out)


def instance_fields(schema: pa.Schema) -> list[pa.Field]:
    struct = schema.field("instances").type.value_type
    return [struct.field(i) for i in range(struct.num_fields)]


def test_only_what_is_missing_is_done_again(job: Jobs) -> None:
    annotate(job())
    expected = rows_of(job().out)
    parts = sorted(Path(job().out).glob("part-*.parquet"))
    before = {part: part.stat().st_mtime_ns for part in parts}
    parts[1].unlink()
    (Path(job().out) / f".{parts[2].name}.partial").write_bytes(b"half")
    progress = annotate(job())
    assert rows_of(job().out) == expected
    assert (progress.done, progress.instances) == (8, 2)
    after = {part: part.stat().st_mtime_ns for part in parts}
    assert [before[p] == after[p] for p in parts] == [True, False, True]
    assert not list(Path(job().out).glob(".*.partial"))
    assert annotate(job()).instances == 0
    assert json.loads((Path(job().out) / MANIFEST).read_text())["instances"] == 6


def test_new_pictures_of_the_folder_are_added(job: Jobs, pictures: Path, tmp_path: Path) -> None:
    folder = tmp_path / "growing"
    shutil.copytree(pictures, folder)
    (folder / "000000.jpg").rename(tmp_path / "first.jpg")
    annotate(job(source=folder))
    (tmp_path / "first.jpg").rename(folder / "000000.jpg")
    annotate(job(source=folder))
    assert [row["source"] for row in rows_of(job().out)] == NAMES


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"boxes": True}, "boxes"),
        ({"source": "below"}, "input"),
        ({"options": {"shard_size": 2}}, "shard_size"),
        ({"weights": True}, "weights"),
        ({"lifter": "some_config"}, "lifter"),
    ],
)
def test_two_jobs_do_not_mix(
    job: Jobs,
    pictures: Path,
    synthetic_people: Path,
    tmp_path: Path,
    changes: dict[str, Any],
    named: str,
) -> None:
    annotate(job())
    if "boxes" in changes:
        changes = {"boxes": boxes_file(synthetic_people, tmp_path)}
    if "source" in changes:
        changes = {"source": pictures / "below"}
    if "weights" in changes:
        other = tmp_path / "other.pth"
        other.write_bytes(job().weights.read_bytes() + b" ")
        changes = {"weights": other}
    with pytest.raises(RayposeError, match=rf"another job \(not the same: {named}\); give another"):
        annotate(job(**changes))
    assert len(rows_of(job().out)) == 8


def test_overwrite_replaces_another_job(job: Jobs, pictures: Path) -> None:
    annotate(job())
    annotate(job(source=pictures / "below"), overwrite=True)
    assert [row["source"] for row in rows_of(job().out)] == ["last.jpg"]


def test_parts_of_unknown_origin(job: Jobs) -> None:
    annotate(job())
    (Path(job().out) / MANIFEST).write_text("{}")
    with pytest.raises(RayposeError, match=r"_manifest.json was not written by this version"):
        annotate(job())
    (Path(job().out) / MANIFEST).unlink()
    with pytest.raises(RayposeError, match=r"parts of unknown origin; give another --out"):
        annotate(job())


def test_too_many_broken_pictures_stop_the_job(job: Jobs) -> None:
    with pytest.raises(DataError, match=r"1 images could not .*max_errors \(0\); the first: .*1b"):
        annotate(job({"max_errors": 0}))
    assert len(rows_of(job().out)) == 3
    assert annotate(job({"max_errors": 1})).done == 8


def boxes_file(people: Path, folder: Path) -> Path:
    content = json.loads((people / "train.json").read_text())
    for image in content["images"]:
        image["file_name"] = Path(image["file_name"]).name
    path = folder / "boxes.json"
    path.write_text(json.dumps(content))
    return path


def test_boxes_of_a_json_are_used(job: Jobs, synthetic_people: Path, tmp_path: Path) -> None:
    path = boxes_file(synthetic_people, tmp_path)
    annotate(job(boxes=path))
    boxes = read_boxes(path)
    for row in rows_of(job().out):
        found = [instance["bbox"] for instance in row["instances"]]
        expected = boxes.get(row["source"], ()) if row["error"] is None else ()
        np.testing.assert_allclose(found, [list(box) for box in expected], rtol=1e-6)


def test_a_video_frame_by_frame(job: Jobs, video: Path, model: tuple[Config, Path]) -> None:
    annotate(job(source=video))
    rows = rows_of(job().out)
    assert [(row["source"], row["frame"]) for row in rows] == [("walk.avi", i) for i in range(7)]
    assert {(row["width"], row["height"], row["error"]) for row in rows} == {(160, 120, None)}
    predictor = Predictor(model[0], weights=model[1], device="cpu")
    for row, (_, poses) in zip(rows, predictor(video), strict=True):
        np.testing.assert_allclose(poses_of(row, 17).keypoints, poses.keypoints, atol=1e-3)


def test_a_video_that_ends_early_has_a_row_for_every_frame(
    job: Jobs, video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "raypose.inference.annotation.inputs.videos.count_exactly", lambda path: (9, 9, 5.0)
    )
    annotate(job(source=video))
    rows = rows_of(job().out)
    assert [row["frame"] for row in rows] == list(range(9))
    assert [row["error"] for row in rows[6:]] == [None, *["the video ends before this frame"] * 2]


def test_poses_are_drawn_on_their_pictures(
    job: Jobs, pictures: Path, video: Path, tmp_path: Path
) -> None:
    annotate(job())
    drawn = tmp_path / "drawn"
    assert draw_annotations(job(), job().plan(), drawn, score_threshold=-1.0) == 6
    assert (drawn / "below" / "last.jpg").is_file()
    before = read_image(pictures / "000000.jpg").astype(int)
    after = read_image(drawn / "000000.jpg").astype(int)
    assert before.shape == after.shape
    assert (np.abs(before - after).max(axis=-1) > 60).sum() > 50

    frames = job(source=video, out=tmp_path / "frames")
    annotate(frames)
    assert draw_annotations(frames, frames.plan(), drawn) == 7
    reader = cv2.VideoCapture(str(drawn / "walk.avi.mp4"))
    assert reader.get(cv2.CAP_PROP_FRAME_COUNT) == 7
    assert reader.get(cv2.CAP_PROP_FPS) == pytest.approx(5.0)


def test_drawn_pictures_of_one_name_and_two_formats(
    job: Jobs, pictures: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "twins"
    folder.mkdir()
    shutil.copy(pictures / "000000.jpg", folder / "one.jpg")
    cv2.imwrite(str(folder / "one.png"), read_image(pictures / "000001.jpg"))
    given = job(source=folder)
    annotate(given)
    assert draw_annotations(given, given.plan(), tmp_path / "drawn") == 2
    names = sorted(path.name for path in (tmp_path / "drawn").iterdir())
    assert names == ["one.jpg", "one.png.jpg"]


def test_pictures_that_are_not_those_any_more(job: Jobs, pictures: Path, tmp_path: Path) -> None:
    folder = tmp_path / "changing"
    shutil.copytree(pictures, folder)
    annotate(job(source=folder))
    plan = job(source=folder).plan()
    (folder / "000000.jpg").unlink()
    changed = job(source=folder)
    with pytest.raises(DataError, match=r"No such file|has changed since it was annotated"):
        list(annotated_pictures(changed, changed.plan()))
    assert len(list(annotated_pictures(changed, plan))) == 8


def test_the_manifest_tells_what_happened(job: Jobs, video: Path, tmp_path: Path) -> None:
    progress = annotate(job())
    manifest = json.loads((Path(job().out) / MANIFEST).read_text())
    assert sum(manifest["errors_by_reason"].values()) == manifest["errors"] == 2
    assert any("ends too early" in reason for reason in manifest["errors_by_reason"])
    assert not any("000001b" in reason for reason in manifest["errors_by_reason"])
    assert manifest["parts"] == 3
    assert set(manifest["stage_seconds"]) == {"read", "detect", "pose"}
    assert manifest["limited_by"] == max(
        manifest["stage_seconds"], key=lambda stage: manifest["stage_seconds"][stage]
    )
    assert set(progress.stages) == {"read", "detect", "pose", "write"}
    assert manifest["versions"]["torch"] == torch.__version__
    assert manifest["config"]["annotate"]["shard_size"] == 3
    followed = annotate(job(source=video, out=tmp_path / "frames"))
    assert "follow" in followed.stages
    assert str(followed).endswith("% of the time")


def test_a_link_that_leads_nowhere_has_its_row(job: Jobs, tmp_path: Path) -> None:
    folder = tmp_path / "links"
    folder.mkdir()
    (folder / "lost.jpg").symlink_to("/nowhere/lost.jpg")
    annotate(job(source=folder))
    (row,) = rows_of(job().out)
    assert row["error"] == f"{folder / 'lost.jpg'}: No such file or directory"


def test_a_job_that_is_complete_is_left_as_it_is(job: Jobs) -> None:
    annotate(job({"sinks": ["coco"]}))
    files = {path: path.stat().st_mtime_ns for path in Path(job().out).rglob("*")}
    progress = annotate(job({"sinks": ["coco"]}))
    assert (progress.done, progress.resumed) == (8, 8)
    assert {path: path.stat().st_mtime_ns for path in Path(job().out).rglob("*")} == files


def test_sinks_are_added_to_a_complete_job(job: Jobs, video: Path) -> None:
    annotate(job(source=video))
    parts = {part: part.stat().st_mtime_ns for part in Path(job().out).glob("part-*")}
    annotate(job({"sinks": ["coco", "cvat", "overlay"]}, source=video))
    assert {part: part.stat().st_mtime_ns for part in Path(job().out).glob("part-*")} == parts
    names = {str(p.relative_to(Path(job().out))) for p in Path(job().out).rglob("*") if p.is_file()}
    assert {
        f"_formats/{n}" for n in ("coco.json", "cvat/walk.avi.xml", "overlays/walk.avi.mp4")
    } < names
    # The folder is still one table to whoever reads folders.
    assert pq.read_table(str(job().out)).num_rows == len(rows_of(job().out))
    (Path(job().out) / "mine.json").touch()
    annotate(job(source=video), overwrite=True)
    (Path(job().out) / "mine.json").unlink()
    assert {p.name for p in Path(job().out).iterdir() if p.is_file()} == {
        MANIFEST,
        *(part.name for part in parts),
    }


def test_rows_of_instances_hold_the_same(job: Jobs, tmp_path: Path) -> None:
    annotate(job())
    flat = job({"rows": "instance"}, out=tmp_path / "flat")
    annotate(flat)
    assert rows_of(tmp_path / "flat") == rows_of(job().out)
    assert pq.read_table(tmp_path / "flat").num_rows == 8
    with pytest.raises(RayposeError, match=r"another job \(not the same: rows\)"):
        annotate(job(out=tmp_path / "flat"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_actors": [3, 2]}, r"\[least, most\] is expected, got \[3, 2\]"),
        ({"num_actors": 0, "split_decode": True}, "there are no tasks"),
    ],
)
def test_actors_that_cannot_be(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AnnotateSection.model_validate(options)


@pytest.mark.parametrize(
    "options", [{"bbox_thr": 0.9}, {"nms_thr": 0.1}, {"classes": ["person"]}], ids=str
)
def test_options_of_the_detector_make_another_job(job: Jobs, options: dict[str, Any]) -> None:
    plain, asked = job().fingerprint, job(options).fingerprint
    assert {key for key in plain if plain[key] != asked[key]} == {"detector"}
    with pytest.raises(ConfigError, match="is an option of a detector, and none is given"):
        job(options).build()


@pytest.mark.parametrize(
    ("num_actors", "tasks", "devices", "small"),
    [
        (0, 9, 4, True),
        (2, 1, 4, False),
        (None, 2, 4, True),
        (None, 3, 4, False),
        (None, 9, 1, True),
    ],
)
def test_small_jobs_start_no_ray(
    job: Jobs,
    monkeypatch: pytest.MonkeyPatch,
    num_actors: int | None,
    tasks: int,
    devices: int,
    small: bool,
) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr("os.cpu_count", lambda: devices)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    monkeypatch.setattr("ray.is_initialized", lambda: False)
    asked = job({"num_actors": num_actors})
    assert is_small(asked, [Task(shard=None)] * tasks) is small
