"""Rows in both layouts: what goes in comes out, and other programs read it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from raypose.inference.annotation.parts import read_annotations, read_info, reason_of, write_part
from raypose.inference.annotation.table import (
    Annotation,
    Layout,
    Row,
    poses_of,
)
from raypose.structures import Poses

RANDOM = np.random.default_rng(3)


def some_poses(count: int, num_keypoints: int = 3) -> Poses:
    return Poses(
        keypoints=RANDOM.uniform(0, 99, (count, num_keypoints, 2)).astype(np.float32),
        keypoint_scores=RANDOM.uniform(0, 1, (count, num_keypoints)).astype(np.float32),
        bboxes=RANDOM.uniform(0, 99, (count, 4)).astype(np.float32),
        bbox_scores=RANDOM.uniform(0, 1, count).astype(np.float32),
        scores=RANDOM.uniform(0, 1, count).astype(np.float32),
        track_ids=np.arange(-1, count - 1),
        keypoints_3d=RANDOM.normal(size=(count, 4, 3)).astype(np.float32),
        extras={"interpolated": np.arange(count) % 2 == 1},
    )


def rows() -> list[Row]:
    both = {"dog": some_poses(1), "cat": some_poses(2, 5)}
    return [
        of_frame(0, 0.0, {"": some_poses(3)}),
        of_frame(1, 0.1, {"": some_poses(0)}),
        Annotation(source="a.jpg", frame=0, found={}, error="/x/a.jpg: not an image").to_row(),
        Annotation(source="b.jpg", frame=0, size=(96, 64), found=both).to_row(),
    ]


def of_frame(frame: int, time: float, found: dict[str, Poses]) -> Row:
    return Annotation(source="v.avi", frame=frame, time=time, size=(96, 64), found=found).to_row()


@pytest.mark.parametrize("layout", ["image", "instance"])
def test_rows_survive_a_part(tmp_path: Path, layout: Layout) -> None:
    given = rows()
    write_part(given, tmp_path / "part-000000.parquet", layout)
    assert list(read_annotations(tmp_path)) == given
    table = pq.read_table(tmp_path / "part-000000.parquet")
    assert table.num_rows == {"image": 4, "instance": 3 + 1 + 1 + 3}[layout]


def test_poses_survive_a_row() -> None:
    poses = some_poses(3)
    row = Annotation(source="v.avi", frame=0, time=0.0, found={"": poses}).to_row()
    assert [instance["track_id"] for instance in row["instances"]] == [None, 0, 1]
    back = poses_of(row, 3)
    for name in ("keypoints", "keypoint_scores", "bboxes", "bbox_scores", "scores", "track_ids"):
        np.testing.assert_array_equal(getattr(back, name), getattr(poses, name))
    np.testing.assert_array_equal(back.keypoints_3d, poses.keypoints_3d)
    np.testing.assert_array_equal(back.extras["interpolated"], poses.extras["interpolated"])
    assert back.keypoints_visible is None


def test_categories_stay_apart() -> None:
    row = rows()[3]
    assert [len(poses_of(row, K, name)) for name, K in (("dog", 3), ("cat", 5), ("cow", 2))] == [
        1,
        2,
        0,
    ]
    assert poses_of(row, 5, "cat").keypoints.shape == (2, 5, 2)


def test_the_footer_tells_what_a_part_holds(tmp_path: Path) -> None:
    seconds = {"read": 1.5}
    part = tmp_path / "part-000000.parquet"
    info = write_part(rows(), part, seconds=seconds, fingerprint={"weights": "abc"})
    assert info == read_info(part)
    assert (info.rows, info.instances, info.errors) == (4, 6, {"not an image": 1})
    assert (info.seconds, info.fingerprint) == (seconds, {"weights": "abc"})


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        ("/data/a.jpg: the file is empty", "the file is empty"),
        ("the video ends before this frame", "the video ends before this frame"),
        ("cannot read 'a.jpg'", "cannot read '"),
    ],
)
def test_reasons_leave_the_name_out(error: str, reason: str) -> None:
    assert reason_of({"source": "a.jpg", "error": error}) == reason


def test_parts_hold_portable_types_only(tmp_path: Path) -> None:
    def check(kind: pa.DataType) -> None:
        assert not isinstance(kind, pa.BaseExtensionType)
        for i in range(kind.num_fields):
            check(kind.field(i).type)

    for layout in ("image", "instance"):
        write_part(rows(), tmp_path / f"part-{layout}.parquet", layout)
        for field in pq.read_schema(tmp_path / f"part-{layout}.parquet"):
            check(field.type)


def test_pandas_reads_parts(tmp_path: Path) -> None:
    write_part(rows(), tmp_path / "part-000000.parquet", "instance")
    frame = pd.read_parquet(tmp_path)
    assert frame["category"].dropna().tolist() == ["dog", "cat", "cat"]
    assert frame.loc[frame["error"].notna(), "source"].tolist() == ["a.jpg"]


def test_duckdb_reads_parts(tmp_path: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    write_part(rows(), tmp_path / "part-000000.parquet")
    write_part(rows()[3:], tmp_path / "part-000001.parquet")
    files = str(tmp_path / "part-*.parquet")
    found = duckdb.sql(
        "SELECT source, count(*), max(i.keypoint_scores[1]) "
        f"FROM (SELECT source, unnest(instances) AS i FROM '{files}') GROUP BY 1 ORDER BY 1"
    ).fetchall()
    assert [(source, count) for source, count, _ in found] == [("b.jpg", 6), ("v.avi", 3)]
    best = max(instance["keypoint_scores"][0] for instance in rows_of(tmp_path, "v.avi"))
    assert found[1][2] == pytest.approx(best)
    (errors,) = duckdb.sql(f"SELECT count(error) FROM '{files}'").fetchall()
    assert errors == (1,)


def rows_of(folder: Path, source: str) -> list[dict[str, list[float]]]:
    return [
        instance
        for row in read_annotations(folder)
        if row["source"] == source
        for instance in row["instances"]
    ]
