"""`FPN` and `PoseWarperNeck` beyond the reference numbers."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from raypose.errors import ConfigError, RayposeError
from raypose.models.necks import FPN, PoseWarperNeck
from tests.models.drawn_weights import draw_weights, normal_input

CHANNELS = [4, 6, 8]


def maps(B: int = 2) -> list[Tensor]:
    return [normal_input((B, C, 16 >> i, 12 >> i), i) for i, C in enumerate(CHANNELS)]


def fpn(**arguments: Any) -> FPN:
    arguments = {"in_channels": CHANNELS, "out_channels": 5, "num_outs": 3, **arguments}
    return draw_weights(FPN(**arguments)).eval()


@pytest.mark.parametrize("source", [False, True, "on_input", "on_lateral", "on_output"])
@pytest.mark.parametrize("relu", [False, True])
def test_further_maps_are_coarser_and_coarser(source: bool | str, relu: bool) -> None:
    neck = fpn(num_outs=5, add_extra_convs=source, relu_before_extra_convs=relu)
    outs = neck(maps())
    sizes = [(16, 12), (8, 6), (4, 3), (2, 2), (1, 1)]
    assert [tuple(out.shape) for out in outs] == [(2, 5, *size) for size in sizes]
    if not source:
        torch.testing.assert_close(outs[3], outs[2][..., ::2, ::2])
    elif source != "on_lateral":
        x = maps()[2] if source in (True, "on_input") else outs[2]
        torch.testing.assert_close(outs[3], neck.fpn_convs[3](x))
        torch.testing.assert_close(outs[4], neck.fpn_convs[4](outs[3].relu() if relu else outs[3]))


def test_coarse_maps_inform_finer_ones_only() -> None:
    neck, inputs = fpn(), maps()
    plain = neck(inputs)
    for changed in range(3):
        disturbed = neck([x + (i == changed) for i, x in enumerate(inputs)])
        differs = [not torch.equal(a, b) for a, b in zip(plain, disturbed, strict=True)]
        assert differs == [i <= changed for i in range(3)]


def test_levels_can_be_chosen() -> None:
    outs = fpn(start_level=1, num_outs=2)(maps())
    assert [out.shape[-1] for out in outs] == [6, 3]
    outs = fpn(end_level=1, num_outs=2)(maps())
    assert [out.shape[-1] for out in outs] == [12, 6]


def test_enlarging_by_a_factor_equals_enlarging_to_the_size() -> None:
    inputs = [normal_input((1, 4, 8, 8)), normal_input((1, 6, 4, 4))]
    arguments: dict[str, Any] = {"in_channels": [4, 6], "num_outs": 2}
    by_factor = fpn(**arguments, upsample_cfg={"mode": "nearest", "scale_factor": 2})
    for one, other in zip(fpn(**arguments)(inputs), by_factor(inputs), strict=True):
        torch.testing.assert_close(one, other)


def test_norms_can_leave_out_the_laterals() -> None:
    keys = fpn(norm_cfg={"type": "BN"}, no_norm_on_lateral=True).state_dict()
    assert "fpn_convs.0.bn.weight" in keys
    assert "lateral_convs.0.conv.bias" in keys
    assert not any(key.startswith("lateral_convs.0.bn") for key in keys)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"start_level": 3}, r"within 0 \.\.\. 2 in this order, got 3 and 2"),
        ({"num_outs": 2}, "num_outs is 3, .* got 2"),
        ({"end_level": 1, "num_outs": 3}, "num_outs is 2, .* got 3"),
        ({"add_extra_convs": "on_inputs"}, "got 'on_inputs'. Did you mean 'on_input'"),
    ],
)
def test_mistakes_of_fpn_are_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        fpn(**arguments)


def test_fpn_wants_all_maps() -> None:
    with pytest.raises(RayposeError, match="3 maps are expected, got 2"):
        fpn()(maps()[:2])


def warper(**arguments: Any) -> PoseWarperNeck:
    arguments = {
        "in_channels": 4,
        "out_channels": 6,
        "inner_channels": 8,
        "deform_groups": 3,
        "dilations": [1, 2],
        "res_blocks_cfg": {"num_blocks": 2},
        **arguments,
    }
    return PoseWarperNeck(**arguments)


def frames(count: int, B: int = 2) -> list[Tensor]:
    return [normal_input((B, 4, 10, 8), i) for i in range(count)]


def test_a_fresh_neck_moves_nothing() -> None:
    neck = warper()
    neck.init_weights()
    given = frames(3)
    weights = [0.5, 0.3, 0.2]
    heatmaps = [neck.trans_layer(frame) for frame in given]
    want = sum(w * maps for w, maps in zip(weights, heatmaps, strict=True))
    torch.testing.assert_close(neck.eval()(given, weights), want)


def test_frames_may_be_stacked() -> None:
    neck = draw_weights(warper()).eval()
    apart = neck(frames(3), [0.5, 0.3, 0.2])
    torch.testing.assert_close(neck([torch.cat(frames(3))], [0.5, 0.3, 0.2]), apart)
    assert apart.shape == (2, 6, 10, 8)


def test_images_at_once_change_nothing() -> None:
    given = frames(3)
    together = draw_weights(warper()).eval()(given, [0.5, 0.3, 0.2])
    apart = draw_weights(warper(im2col_step=1)).eval()(given, [0.5, 0.3, 0.2])
    torch.testing.assert_close(apart, together)


def test_frames_without_weight_do_not_count() -> None:
    neck = draw_weights(warper()).eval()
    given = frames(3)
    torch.testing.assert_close(
        neck([given[0], given[1], given[2] + 1], [0.6, 0.4, 0.0]), neck(given[:2], [0.6, 0.4])
    )


def test_several_maps_of_a_frame() -> None:
    small = [normal_input((2, 2, 5, 4), 9 + i) for i in range(2)]
    high = [normal_input((2, 4, 10, 8), i) for i in range(2)]
    pairs = [list(pair) for pair in zip(high, small, strict=True)]
    neck = draw_weights(warper()).eval()
    torch.testing.assert_close(neck(pairs, [0.5, 0.5]), neck(high, [0.5, 0.5]))
    joining = warper(in_channels=6, in_index=[0, 1], input_transform="resize_concat")
    assert draw_weights(joining).eval()(pairs, [0.5, 0.5]).shape == (2, 6, 10, 8)


def test_what_is_frozen_does_not_learn() -> None:
    neck = draw_weights(warper(norm_eval=True)).train()
    before = {key: value.clone() for key, value in neck.named_buffers()}
    neck(frames(2), [0.5, 0.5]).square().sum().backward()
    assert not neck.trans_layer.training
    for key, parameter in neck.named_parameters():
        assert (parameter.grad is None) == key.startswith("trans_layer"), key
    for key, value in neck.named_buffers():
        assert torch.equal(value, before[key]), key


def test_other_numbers_of_frames_are_refused() -> None:
    with pytest.raises(RayposeError, match="got 3 frame weights for features of 2 frames"):
        warper()(frames(2), [0.5, 0.3, 0.2])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"dilations": []}, "dilations has at least one entry"),
        ({"trans_conv_kernel": 2}, "is 0, 1 or 3, got 2"),
        ({"in_index": [0, 1]}, "several with input_transform"),
        ({"input_transform": "resize_concat"}, "several with input_transform"),
        ({"res_blocks_cfg": {"block": "BASC"}}, "Did you mean 'BASIC'"),
        ({"res_blocks_cfg": {"count": 2}}, r"got \{'count': 2\}"),
    ],
)
def test_mistakes_of_the_warper_are_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        warper(**arguments)
