"""Heatmap overlays: strongest where the map is, the picture elsewhere."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from raypose.visualization import overlay_heatmaps


def test_blends_by_strength() -> None:
    image = np.full((8, 8, 3), 100, np.uint8)
    heatmaps = np.zeros((2, 8, 8), np.float32)
    heatmaps[0, 2, 3], heatmaps[1, 6, 5] = 2.0, 1.0
    drawn = overlay_heatmaps(image, heatmaps, alpha=0.5)
    scale = cv2.applyColorMap(np.array([[255, 128]], np.uint8), cv2.COLORMAP_TURBO)[0].astype(float)
    np.testing.assert_allclose(drawn[2, 3], 50 + 0.5 * scale[0], atol=1)
    np.testing.assert_allclose(drawn[6, 5], 75 + 0.25 * scale[1], atol=1)
    assert (drawn[0, 0] == 100).all()


def test_smaller_maps_cover_the_picture() -> None:
    heatmaps = np.zeros((1, 4, 4), np.float32)
    heatmaps[0, 3, 3] = 1.0
    drawn = overlay_heatmaps(np.zeros((40, 40, 3), np.uint8), heatmaps)
    assert drawn[35, 35].any()
    assert not drawn[:20, :20].any()


def test_empty_maps_leave_the_picture() -> None:
    image = np.full((4, 4, 3), 9, np.uint8)
    np.testing.assert_array_equal(overlay_heatmaps(image, np.zeros((3, 4, 4))), image)


def test_shape_is_checked() -> None:
    with pytest.raises(ValueError, match=r"shape \(K, h, w\) expected, got \(4, 4\)"):
        overlay_heatmaps(np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4)))
