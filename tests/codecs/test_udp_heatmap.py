from __future__ import annotations

import numpy as np
import pytest
import torch

from raypose.codecs import UDPHeatmap
from raypose.ops.refine import udp_response


def test_the_first_and_last_pixels_are_the_first_and_last_cells() -> None:
    codec = UDPHeatmap([192, 256], [48, 64])
    corners = torch.tensor([[[[0.0, 0.0], [191.0, 255.0]]]])

    heatmaps = codec.encode(corners)["heatmaps"]

    assert heatmaps[0, 0, 0, 0] == 1
    assert heatmaps[0, 1, 63, 47] == 1


def test_offsets_point_from_each_cell_to_the_keypoint() -> None:
    codec = UDPHeatmap([9, 9], [9, 9], heatmap_type="combined", radius_factor=2 / 9)

    maps = codec.encode(torch.tensor([[[[4.0, 3.0]]]]))["heatmaps"][0]

    assert torch.nonzero(maps[0]).tolist() == [
        [y, x] for y in range(9) for x in range(9) if (x - 4) ** 2 + (y - 3) ** 2 <= 4
    ]
    torch.testing.assert_close(maps[1], ((4 - torch.arange(9.0)) / 2).expand(9, 9))
    torch.testing.assert_close(maps[2], ((3 - torch.arange(9.0)) / 2)[:, None].expand(9, 9))


def test_the_offset_at_the_peak_moves_it() -> None:
    codec = UDPHeatmap([64, 64], [64, 64], heatmap_type="combined", radius_factor=0.1)
    points = torch.tensor([[[[30.3, 20.8]]]])

    keypoints, _ = codec.decode(codec.encode(points)["heatmaps"])

    # decode() spreads cells over input_size, encode() over input_size - 1.
    torch.testing.assert_close(keypoints, points * 64 / 63, rtol=0, atol=1e-4)


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="'gaussian' or 'combined', got 'combine'"):
        UDPHeatmap([192, 256], [48, 64], heatmap_type="combine")


def test_maps_without_a_peak_are_placed_as_the_reference_places_them() -> None:
    # Its step from (-1, -1) reads the padded, blurred logarithms of all maps as one long row.
    W, H, K = 7, 6, 3
    codec = UDPHeatmap([W, H], [W, H], blur_kernel_size=3)
    heatmaps = torch.rand(2, K, H, W, generator=torch.Generator().manual_seed(0))
    heatmaps[:, ::2] *= -1

    keypoints, scores = codec.decode(heatmaps)

    for sample in range(2):
        logs = udp_response(heatmaps[sample], 3).numpy().astype(np.float64)
        row = np.pad(logs, ((0, 0), (1, 1), (1, 1)), mode="edge").reshape(-1)
        for k in (0, 2):
            start = k * (W + 2) * (H + 2)
            right, down = row[start + 1], row[start + W + 2]
            left, up = row[start - 1], row[start - W - 2]
            here, both = row[start], row[start + W + 3]
            neither = row[start - W - 3]
            slope = np.array([right - left, down - up]) / 2
            cross = (both - right - down + 2 * here - left - up + neither) / 2
            curve = np.array([[right - 2 * here + left, cross], [cross, down - 2 * here + up]])
            curve += np.finfo(np.float32).eps * np.eye(2)
            cells = -1 - np.linalg.inv(curve) @ slope
            want = cells * [W / (W - 1), H / (H - 1)]
            np.testing.assert_allclose(keypoints[sample, 0, k], want, rtol=1e-4)
            assert scores[sample, 0, k] < 0
