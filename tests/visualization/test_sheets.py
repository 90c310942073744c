"""Contact sheets: every picture in its cell, nothing distorted."""

from __future__ import annotations

import numpy as np
import pytest

from raypose.visualization import contact_sheet, fit_inside


def plain(height: int, width: int, value: int) -> np.ndarray:
    return np.full((height, width, 3), value, np.uint8)


def test_pictures_lie_in_rows() -> None:
    images = [plain(20, 30, value) for value in (10, 60, 110, 160, 210)]
    sheet = contact_sheet(images, columns=3, cell_size=(30, 20), gap=4, background=(1, 2, 3))
    assert sheet.shape == (2 * 24 + 4, 3 * 34 + 4, 3)
    for index, value in enumerate((10, 60, 110, 160, 210)):
        x, y = 4 + index % 3 * 34, 4 + index // 3 * 24
        assert (sheet[y : y + 20, x : x + 30] == value).all()
    assert sheet[0, 0].tolist() == [1, 2, 3]
    assert sheet[40, 90].tolist() == [1, 2, 3]  # the empty sixth cell


def test_proportions_are_kept() -> None:
    assert fit_inside(plain(100, 50, 0), 60, 60).shape == (60, 30, 3)
    assert fit_inside(plain(10, 20, 0), 60, 60).shape == (30, 60, 3)
    sheet = contact_sheet([plain(40, 20, 9)], cell_size=(40, 40), gap=0, background=(5, 5, 5))
    assert (sheet[:, 10:30] == 9).all()
    assert (sheet[:, :10] == 5).all()
    assert (sheet[:, 30:] == 5).all()


def test_captions_are_written_below() -> None:
    images = [plain(20, 80, 0), plain(20, 80, 0)]
    sheet = contact_sheet(images, ["one", ""], columns=1, cell_size=(80, 20), gap=0)
    assert (sheet[20:38] < 150).any()
    assert not (sheet[58:76] < 150).any()


def test_what_cannot_be_laid_out_is_said() -> None:
    with pytest.raises(ValueError, match="at least one picture"):
        contact_sheet([])
    with pytest.raises(ValueError, match="1 pictures need as many captions, got 2"):
        contact_sheet([plain(2, 2, 0)], ["a", "b"])
