"""`RTMWHead`: what it reads of its two maps."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from raypose.errors import ConfigError, RayposeError
from raypose.models.heads import RTMWHead
from tests.models.drawn_weights import draw_weights, normal_input
from tests.models.heads.topdown_heads import INPUT_SIZE, K, encoded_batch


def build(**options: Any) -> Any:
    head = RTMWHead(
        in_channels=16,
        out_channels=K,
        input_size=INPUT_SIZE,
        in_featuremap_size=(3, 4),
        gau_cfg={"hidden_dims": 16, "s": 8, **options},
        decoder={"type": "SimCCLabel", "input_size": INPUT_SIZE, "sigma": 4.0},
    )
    return draw_weights(head).eval()


def features(B: int = 3) -> list[Tensor]:
    return [normal_input((B, 8, 8, 6)), normal_input((B, 16, 4, 3), 1)]


def test_outputs_hang_on_both_maps() -> None:
    head, (fine, coarse) = build(), features()
    x, y = head((fine, coarse))

    assert x.shape == (3, K, 192)
    assert y.shape == (3, K, 256)
    for changed in ((fine * 2, coarse), (fine, coarse * 2)):
        assert not torch.allclose(head(changed)[0], x)
    torch.testing.assert_close(head((fine[1:2], coarse[1:2]))[0][0], x[1])


def test_every_weight_learns() -> None:
    head = build()
    losses = head.loss(features(), encoded_batch(head.decoder))
    losses["loss_kpt"].backward()

    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in head.parameters())


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(RayposeError, match="RTMWHead reads two maps, a fine and a coarse one"):
        build()(features()[:1])
    with pytest.raises(ConfigError, match="RTMWHead has no option 'drop_out'"):
        build(drop_out=0.1)
