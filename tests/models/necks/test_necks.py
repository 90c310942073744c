"""Necks beyond the reference numbers."""

from __future__ import annotations

import pytest
import torch

from raypose.errors import ConfigError, RayposeError
from raypose.models.necks import CSPNeXtPAFPN, FeatureMapProcessor, GlobalAveragePooling
from tests.models.drawn_weights import normal_input


def test_means_of_maps() -> None:
    maps = (normal_input((2, 3, 4, 5)), normal_input((2, 6, 2, 1)))
    first, second = GlobalAveragePooling()(maps)
    torch.testing.assert_close(first, maps[0].flatten(2).mean(2))
    torch.testing.assert_close(second, maps[1].flatten(2).mean(2))
    torch.testing.assert_close(GlobalAveragePooling()(maps[0]), first)


def test_order_of_steps() -> None:
    a = torch.tensor([[[[-4.0, 4.0]]]])
    b = torch.tensor([[[[-2.0]]]])
    neck = FeatureMapProcessor(select_index=(2, 0), concat=True, apply_relu=True, scale_factor=2)
    (out,) = neck([a, a + 1, b])
    # b comes first and gives the size, a is averaged to it; negatives go before enlarging.
    torch.testing.assert_close(out, torch.zeros(1, 2, 2, 2))
    (out,) = FeatureMapProcessor(select_index=0, apply_relu=True, scale_factor=2)([a])
    torch.testing.assert_close(out[0, 0, 0], torch.tensor([0.0, 1.0, 3.0, 4.0]))


def test_inputs_stay_as_they_are() -> None:
    maps = [normal_input((1, 2, 2, 2))]
    before = maps[0].clone()
    FeatureMapProcessor(apply_relu=True, concat=True)(maps)
    assert torch.equal(maps[0], before)


def test_scale_factor_is_positive() -> None:
    with pytest.raises(ConfigError, match="scale_factor is positive, got 0"):
        FeatureMapProcessor(scale_factor=0)


@pytest.mark.parametrize("use_depthwise", [False, True])
def test_paths_between_maps(use_depthwise: bool) -> None:
    neck = CSPNeXtPAFPN(
        [4, 8, 12], 6, out_indices=(2, 0), num_csp_blocks=1, use_depthwise=use_depthwise
    ).eval()
    maps = [normal_input((1, c, 32 // s, 16 // s)) for c, s in ((4, 1), (8, 2), (12, 4))]

    coarse, fine = neck(maps)

    assert coarse.shape == (1, 6, 8, 4)
    assert fine.shape == (1, 6, 32, 16)
    for i in range(3):
        other = [m + (j == i) for j, m in enumerate(maps)]
        assert not torch.allclose(neck(other)[0], coarse)
        assert not torch.allclose(neck(other)[1], fine)


def test_maps_that_do_not_fit_are_refused() -> None:
    with pytest.raises(RayposeError, match="built for 2 maps, got 1"):
        CSPNeXtPAFPN([4, 8], None, out_indices=(0,))([normal_input((1, 4, 8, 8))])
    with pytest.raises(ConfigError, match=r"out_indices are within 0 ... 1 for 2 maps"):
        CSPNeXtPAFPN([4, 8], None)
    with pytest.raises(ConfigError, match="upsample_cfg: Upsample takes no argument 'scale'"):
        CSPNeXtPAFPN([4, 8], None, (0,), upsample_cfg={"scale": 2})
