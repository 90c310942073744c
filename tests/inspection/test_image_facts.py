"""Facts of image files, here and in other processes."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from raypose.inspection import image_facts
from raypose.inspection.image_facts import difference_hash, read_all_image_facts, read_image_facts
from tests.inspection.walkers import save_picture


def test_the_same_pixels_have_the_same_digest(tmp_path: Path) -> None:
    save_picture(tmp_path / "a.png", seed=3)
    picture = np.asarray(cv2.imread(str(tmp_path / "a.png")))
    cv2.imwrite(str(tmp_path / "b.bmp"), picture)
    picture[0, 0, 0] ^= 1
    cv2.imwrite(str(tmp_path / "c.png"), picture)
    a, b, c = (read_image_facts(str(tmp_path / name)) for name in ("a.png", "b.bmp", "c.png"))
    assert a.size == (160, 120)
    assert a.digest == b.digest != c.digest
    assert a.dhash == c.dhash


def test_the_shape_of_a_picture_is_part_of_it(tmp_path: Path) -> None:
    for name, shape in (("wide.png", (2, 8, 3)), ("high.png", (8, 2, 3))):
        cv2.imwrite(str(tmp_path / name), np.zeros(shape, np.uint8))
    wide, high = (read_image_facts(str(tmp_path / name)) for name in ("wide.png", "high.png"))
    assert wide.digest != high.digest


def test_a_hash_says_where_brightness_grows() -> None:
    right = np.tile(np.arange(0, 90, 10, dtype=np.uint8), (8, 1))
    assert difference_hash(right) == 2**64 - 1
    assert difference_hash(right[:, ::-1]) == 0
    right[0, :2] = 90, 0
    assert difference_hash(right) == 2**63 - 1


def test_processes_find_what_one_finds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = []
    for number in range(5):
        save_picture(tmp_path / f"{number}.png", seed=number)
        files.append((str(tmp_path / f"{number}.png"), "color"))
    (tmp_path / "2.png").write_bytes(b"none")
    files.append((str(tmp_path / "missing.png"), "color"))
    alone = read_all_image_facts(files, num_workers=1)
    monkeypatch.setattr(image_facts, "_WORTH_PROCESSES", 0)
    together = read_all_image_facts(files, num_workers=2)
    assert [fact.problem and fact.problem[0] for fact in alone] == [
        None, None, "unreadable-image", None, None, "missing-image",
    ]  # fmt: skip
    for one, other in zip(alone, together, strict=True):
        assert (one.path, one.problem, one.size) == (other.path, other.problem, other.size)
        assert (one.digest, one.dhash) == (other.digest, other.dhash)
        np.testing.assert_array_equal(one.thumbnail, other.thumbnail)
