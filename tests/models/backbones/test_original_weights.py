"""Weights of the repositories of Swin and PVT: names, and layouts that differ."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from raypose.models.backbones.original_weights import pvt_weights, swin_weights
from raypose.models.checkpoint import load_pretrained
from raypose.models.layers import PatchMerging
from raypose.registry import MODELS
from tests.models.drawn_weights import draw_weights, normal_input


def test_merging_stacks_places_in_another_order() -> None:
    x = normal_input((1, 4, 6, 3))
    norm, reduction = draw_weights(nn.LayerNorm(12)), draw_weights(nn.Linear(12, 5, bias=False))
    places = [x[:, i::2, j::2] for j in (0, 1) for i in (0, 1)]
    want = reduction(norm(torch.cat(places, dim=-1))).reshape(1, 6, 5)

    weights: dict[str, Tensor] = {
        "layers.0.downsample.reduction.weight": reduction.weight.detach(),
        "layers.0.downsample.norm.weight": norm.weight.detach(),
        "layers.0.downsample.norm.bias": norm.bias.detach(),
    }
    swin_weights(weights)
    merging = PatchMerging(3, 5, norm_cfg={"type": "LN"})
    merging.load_state_dict({k.removeprefix("stages.0.downsample."): v for k, v in weights.items()})

    torch.testing.assert_close(merging(x.reshape(1, 24, 3), (4, 6))[0], want)


def test_names_of_swin() -> None:
    names = {
        "patch_embed.proj.weight": "patch_embed.projection.weight",
        "patch_embed.norm.bias": "patch_embed.norm.bias",
        "layers.1.blocks.0.norm1.weight": "stages.1.blocks.0.norm1.weight",
        "layers.1.blocks.0.attn.qkv.bias": "stages.1.blocks.0.attn.w_msa.qkv.bias",
        "layers.1.blocks.0.mlp.fc1.weight": "stages.1.blocks.0.ffn.layers.0.0.weight",
        "layers.1.blocks.0.mlp.fc2.bias": "stages.1.blocks.0.ffn.layers.1.bias",
        "stages.0.blocks.0.norm2.weight": "stages.0.blocks.0.norm2.weight",
    }
    weights = {f"b.{name}": torch.tensor(i) for i, name in enumerate(names)}
    dropped = ("b.head.weight", "b.layers.0.blocks.1.attn_mask")
    swin_weights(found := {**weights, **dict.fromkeys(dropped, torch.zeros(1))}, "b.")
    assert found == {f"b.{new}": torch.tensor(i) for i, new in enumerate(names.values())}


def test_a_model_starts_from_the_weights_of_swin(tmp_path: Path) -> None:
    config: dict[str, Any] = {
        "type": "SwinTransformer",
        "embed_dims": 8,
        "depths": [1],
        "num_heads": [1],
        "strides": [4],
        "window_size": 3,
        "out_indices": [0],
        "convert_weights": True,
    }
    source, model = draw_weights(MODELS.build(config)), MODELS.build(config)
    original = {
        key.replace("stages.", "layers.")
        .replace("w_msa.", "")
        .replace("ffn.layers.0.0", "mlp.fc1")
        .replace("ffn.layers.1", "mlp.fc2")
        .replace("projection", "proj"): value
        for key, value in source.state_dict().items()
    }
    torch.save({"model": original}, tmp_path / "swin.pth")
    load_pretrained(model, str(tmp_path / "swin.pth"))
    torch.testing.assert_close(model.state_dict(), source.state_dict())


def _pvt_names(key: str, last: int, offset: int) -> str:
    """Return the name in PVT's repository of one of our keys."""
    parts = key.split(".")
    stage, rest = int(parts[1]) + 1, ".".join(parts[3:])
    if parts[2] == "0":
        return f"patch_embed{stage}.{rest.replace('projection', 'proj')}"
    if parts[2] == "2":
        return f"norm{stage}.{rest}"
    if rest == "0.pos_embed":
        return f"pos_embed{stage}"
    number, _, rest = rest.partition(".")
    rest = rest.replace(f"ffn.layers.{last}", "mlp.fc2").replace("ffn.layers.0", "mlp.fc1")
    rest = rest.replace("ffn.layers.1", "mlp.dwconv.dwconv").replace("attn.out_proj", "proj")
    return f"block{stage}.{int(number) - offset}.{rest}"


def test_weights_of_both_versions_of_pvt() -> None:
    sizes = {"embed_dims": 4, "num_layers": [1, 2, 1, 1], "mlp_ratios": [2, 2, 2, 2]}
    for version in ("", "V2"):
        config = {"type": f"PyramidVisionTransformer{version}", **sizes}
        model: nn.Module = draw_weights(MODELS.build(config))
        last, offset = (4, 0) if version else (3, 1)
        original: dict[str, Tensor] = {"cls_token": torch.zeros(1), "head.weight": torch.zeros(1)}
        for key, value in model.state_dict().items():
            name = _pvt_names(key, last, offset)
            if "in_proj_" in name:
                query, keys_and_values = value[: len(value) // 3], value[len(value) // 3 :]
                original[name.replace("attn.in_proj_", "q.")] = query
                original[name.replace("attn.in_proj_", "kv.")] = keys_and_values
            elif name == "pos_embed4":
                original[name] = torch.cat([torch.full((1, 1, value.shape[2]), 7.0), value], dim=1)
            else:
                linear = name.endswith(("fc1.weight", "fc2.weight"))
                original[name] = value[:, :, 0, 0] if linear else value
        pvt_weights(original)
        torch.testing.assert_close(original, dict(model.state_dict()))
        kept = dict(original)
        pvt_weights(kept)
        assert kept.keys() == original.keys()
