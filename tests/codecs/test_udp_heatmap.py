from __future__ import annotations

import pytest
import torch

from raypose.codecs import UDPHeatmap


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
