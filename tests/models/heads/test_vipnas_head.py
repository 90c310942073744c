"""`ViPNASHead`: deconvolutions in groups, otherwise `HeatmapHead`."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from raypose.errors import ConfigError
from raypose.models.heads import HeatmapHead, ViPNASHead
from tests.models.drawn_weights import draw_weights, normal_input


def test_one_group_is_a_heatmap_head() -> None:
    arguments: dict[str, Any] = {"deconv_out_channels": [8, 4], "deconv_kernel_sizes": [4, 3]}
    arguments |= {"conv_out_channels": [6], "conv_kernel_sizes": [3]}
    head = draw_weights(ViPNASHead(6, 5, deconv_num_groups=[1, 1], **arguments)).eval()
    plain = draw_weights(HeatmapHead(6, 5, **arguments)).eval()
    feats = [normal_input((2, 6, 4, 3))]
    assert head.in_channels == 6
    torch.testing.assert_close(head(feats), plain(feats))


def test_groups_do_not_see_each_other() -> None:
    head = draw_weights(
        ViPNASHead(
            8,
            6,
            deconv_out_channels=[4, 6],
            deconv_kernel_sizes=[4, 4],
            deconv_num_groups=[2, 2],
            final_layer=None,
        )
    ).eval()
    feats = normal_input((1, 8, 4, 3))
    changed = feats.clone()
    changed[:, 4:] += 1
    maps, other = head([feats]), head([changed])
    assert maps.shape == (1, 6, 16, 12)
    torch.testing.assert_close(maps[:, :3], other[:, :3])
    assert not torch.allclose(maps[:, 3:], other[:, 3:])


def test_shapes_of_the_searched_heads() -> None:
    state = ViPNASHead(608, 17).state_dict()
    assert state["deconv_layers.0.weight"].shape == (608, 9, 4, 4)
    assert state["deconv_layers.6.weight"].shape == (144, 9, 4, 4)
    assert state["final_layer.weight"].shape == (17, 144, 1, 1)


def test_without_deconvolutions() -> None:
    head = ViPNASHead(8, 5, deconv_out_channels=None)
    assert isinstance(head.deconv_layers, nn.Identity)
    assert head([normal_input((2, 8, 4, 3))]).shape == (2, 5, 4, 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"deconv_num_groups": [16, 16]}, r"deconv_num_groups need as many .*, got .*\[16, 16\]"),
        ({"deconv_num_groups": [16, 16, 7]}, "7 groups do not divide a deconvolution from 144"),
        ({"deconv_kernel_sizes": [4]}, "deconv_kernel_sizes need as many"),
    ],
)
def test_mistakes_are_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ViPNASHead(32, 17, **arguments)
