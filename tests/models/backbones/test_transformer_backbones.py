"""Transformer backbones beyond the reference numbers: freezing, options, refusals."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from raypose.errors import ConfigError, RayposeError
from raypose.models.backbones import (
    DSTFormer,
    HRFormer,
    PyramidVisionTransformer,
    SwinTransformer,
)
from raypose.models.layers import DropPath
from raypose.registry import MODELS
from tests.models.drawn_weights import draw_weights, normal_input

HRFORMER_EXTRA: dict[str, Any] = {
    "drop_path_rate": 0.3,
    "stage1": {
        "num_modules": 1,
        "num_branches": 1,
        "block": "BOTTLENECK",
        "num_blocks": [1],
        "num_channels": [4],
    },
    **{
        f"stage{n}": {
            "num_modules": 1,
            "num_branches": n,
            "block": "HRFORMERBLOCK",
            "num_blocks": [1] * n,
            "num_channels": [4 * 2**i for i in range(n)],
            "num_heads": [1] * n,
            "window_sizes": [3] * n,
            "mlp_ratios": [2] * n,
        }
        for n in (2, 3, 4)
    },
}
SWIN = {
    "type": "SwinTransformer",
    "embed_dims": 8,
    "depths": [1, 2],
    "num_heads": [1, 2],
    "strides": [4, 2],
    "window_size": 3,
    "out_indices": [0, 1],
}
PVT = {
    "embed_dims": 4,
    "num_layers": [1, 1, 1, 1],
    "mlp_ratios": [2, 2, 2, 2],
    "pretrain_img_size": 32,
}
CONFIGS: dict[str, dict[str, Any]] = {
    "Swin": SWIN,
    "Swin with positions": {**SWIN, "use_abs_pos_embed": True, "pretrain_img_size": [32, 24]},
    "HRFormer": {"type": "HRFormer", "extra": HRFORMER_EXTRA},
    "PVT": {"type": "PyramidVisionTransformer", **PVT},
    "PVTv2": {
        "type": "PyramidVisionTransformerV2",
        **{k: v for k, v in PVT.items() if k != "pretrain_img_size"},
    },
}


def total(outs: Any) -> Tensor:
    return torch.stack([out.square().mean() for out in outs]).sum()


@pytest.mark.parametrize("name", CONFIGS)
def test_samples_do_not_meet(name: str) -> None:
    backbone: nn.Module = draw_weights(MODELS.build(CONFIGS[name])).eval()
    images = normal_input((3, 3, 64, 32))
    for one, all_ in zip(backbone(images[1:2]), backbone(images), strict=True):
        torch.testing.assert_close(one[0], all_[1], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", CONFIGS)
def test_all_weights_learn(name: str) -> None:
    torch.manual_seed(0)
    backbone: nn.Module = draw_weights(MODELS.build(CONFIGS[name])).eval()
    total(backbone(normal_input((1, 3, 64, 64)))).backward()
    without = [key for key, p in backbone.named_parameters() if p.grad is None]
    # HRNet's way: the last module of the last stage only fuses what it returns.
    assert all(key.startswith("stage4.0.fuse_layers") for key in without)


@pytest.mark.parametrize("name", ["Swin", "HRFormer"])
def test_checkpointing_changes_no_gradient(name: str) -> None:
    images = normal_input((1, 3, 32, 32))
    grads = []
    for with_cp in (False, True):
        backbone: nn.Module = draw_weights(MODELS.build({**CONFIGS[name], "with_cp": with_cp}))
        total(backbone.eval()(images)).backward()
        grads.append({k: p.grad for k, p in backbone.named_parameters() if p.grad is not None})
    torch.testing.assert_close(grads[0], grads[1])


def test_frozen_stages_of_swin() -> None:
    config = {**CONFIGS["Swin with positions"], "frozen_stages": 1}
    backbone: nn.Module = MODELS.build(config).train()
    frozen = {key for key, p in backbone.named_parameters() if not p.requires_grad}
    first = ("patch_embed.", "absolute_pos_embed", "stages.0.", "norm0.")
    keys = {key for key, _ in backbone.named_parameters()}
    assert frozen == {key for key in keys if key.startswith(first)}
    assert not backbone.get_submodule("stages.0").training
    assert backbone.get_submodule("stages.1").training


def test_stochastic_depth_grows() -> None:
    def rates(backbone: nn.Module) -> list[float]:
        found = [m.drop_prob for m in backbone.modules() if isinstance(m, DropPath)]
        return sorted(set(found))

    assert rates(MODELS.build({**SWIN, "drop_path_rate": 0.4})) == pytest.approx([0, 0.2, 0.4])
    assert rates(HRFormer(HRFORMER_EXTRA)) == pytest.approx([0, 0.15, 0.3])
    assert rates(DSTFormer(3, 8, depth=3, num_heads=2, drop_path_rate=0.2)) == pytest.approx(
        [0, 0.1, 0.2]
    )


def test_shifted_windows_pass_information_on() -> None:
    config = {**SWIN, "depths": [2], "num_heads": [1], "strides": [4], "out_indices": [0]}
    backbone: nn.Module = draw_weights(MODELS.build(config)).eval()
    images = normal_input((1, 3, 48, 48))  # 4 x 4 windows of 3 x 3 tokens of 4 x 4 pixels
    changed = images.clone()
    changed[..., :4, :4] += 1
    (before,), (after,) = backbone(images), backbone(changed)
    differs = (before - after).abs().amax(dim=(0, 1)) > 1e-6
    assert differs[:3, :3].all()
    # The second block's windows begin at token 1 and reach token 3, not around the border.
    assert differs[:4, :4].all()
    assert not differs[4:].any()
    assert not differs[:, 4:].any()


def test_positions_are_resized_to_the_image() -> None:
    for name in ("Swin with positions", "PVT"):
        backbone: nn.Module = draw_weights(MODELS.build(CONFIGS[name])).eval()
        shapes = [tuple(out.shape[2:]) for out in backbone(normal_input((1, 3, 64, 64)))]
        assert shapes[:2] == [(16, 16), (8, 8)]


def dstformer(**arguments: Any) -> DSTFormer:
    sizes: dict[str, Any] = {"feat_size": 8, "depth": 2, "num_heads": 2, "num_keypoints": 5}
    model: Any = draw_weights(DSTFormer(3, seq_len=6, **sizes, **arguments)).eval()
    return model


def test_dstformer_takes_shorter_sequences_and_refuses_longer_ones() -> None:
    model = dstformer()
    assert model(normal_input((2, 4, 5, 3))).shape == (2, 4, 5, 8)
    with pytest.raises(RayposeError, match="built for 6 frames, got 7"):
        model(normal_input((2, 7, 5, 3)))


def test_streams_of_dstformer_start_as_equals() -> None:
    torch.manual_seed(0)
    model, mean = dstformer(), dstformer(att_fuse=False)
    model.init_weights()
    mean.load_state_dict(model.state_dict(), strict=False)
    x = normal_input((1, 6, 5, 3))
    torch.testing.assert_close(model(x), mean(x))
    assert model.temp_embed.std() > 0


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: SwinTransformer(depths=(2, 2)), "one entry for each stage"),
        (lambda: SwinTransformer(patch_size=2), r"strides\[0\] is patch_size 2, got 4"),
        (lambda: SwinTransformer(out_indices=[4]), r"within 0 \.\.\. 3"),
        (
            lambda: PyramidVisionTransformer(num_layers=[1], strides=[4, 2]),
            r"num_layers has one entry .* 4 stages, got \[1\]\n.*strides has one entry",
        ),
        (lambda: PyramidVisionTransformer(out_indices=[4]), r"out_indices are within 0 \.\.\. 3"),
        (lambda: HRFormer({}), "HRFormer: extra needs 'stage1'\n.*extra needs 'stage2'"),
        (lambda: HRFormer({**HRFORMER_EXTRA, "with_rp": True}), "no 'with_rp'. Did you mean"),
        (
            lambda: HRFormer({**HRFORMER_EXTRA, "stage2": {"block": "HRFORMERBLOCK"}}),
            "stage2 needs num_modules, .*window_sizes, mlp_ratios",
        ),
        (
            lambda: HRFormer(
                {**HRFORMER_EXTRA, "stage2": {**HRFORMER_EXTRA["stage2"], "num_heads": [1]}}
            ),
            r"stage2.num_heads: one for each of the 2 branches, got \[1\]",
        ),
        (
            lambda: HRFormer(
                {**HRFORMER_EXTRA, "stage2": {**HRFORMER_EXTRA["stage2"], "block": "BASIC"}}
            ),
            "stage2.block: unknown block 'BASIC'",
        ),
    ],
)
def test_mistakes_are_named(build: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build()
