"""Necks beyond the reference numbers."""

from __future__ import annotations

import pytest
import torch

from raypose.errors import ConfigError
from raypose.models.necks import FeatureMapProcessor, GlobalAveragePooling
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
