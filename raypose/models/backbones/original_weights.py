"""Pretrained weights of the repositories of Swin and PVT, under the names and layouts of here.

Every function changes a state dict in place, below a prefix, and leaves other keys as they are; a
checkpoint that has today's names already stays the same.
"""

from __future__ import annotations

import re

import torch
from torch import Tensor

# Swin stacks the places of a 2 x 2 square column by column, `PatchMerging` row by row.
_BY_ROWS = [0, 2, 1, 3]


def swin_weights(state_dict: dict[str, Tensor], prefix: str = "") -> None:
    """Convert the weights of github.com/microsoft/Swin-Transformer."""
    for key in [key for key in state_dict if key.startswith(prefix)]:
        name, value = key.removeprefix(prefix), state_dict[key]
        if name.startswith("head.") or name.endswith(".attn_mask"):
            del state_dict[key]
        elif name.startswith("layers."):
            del state_dict[key]
            if ".downsample.reduction." in name:
                value = _by_rows(value)
            elif ".downsample.norm." in name:
                value = _by_rows(value[None])[0]
            name = name.replace("layers.", "stages.", 1).replace(".attn.", ".attn.w_msa.")
            name = name.replace(".mlp.fc1.", ".ffn.layers.0.0.")
            state_dict[prefix + name.replace(".mlp.fc2.", ".ffn.layers.1.")] = value
        elif name.startswith("patch_embed.proj."):
            del state_dict[key]
            state_dict[prefix + name.replace(".proj.", ".projection.")] = value


def pvt_weights(state_dict: dict[str, Tensor], prefix: str = "") -> None:
    """Convert the weights of github.com/whai362/PVT, of either version."""
    names = [key.removeprefix(prefix) for key in state_dict if key.startswith(prefix)]
    if "patch_embed1.proj.weight" not in names:
        return
    # A stage with position embeddings has them before its blocks.
    offset = int("pos_embed1" in names)
    last = 4 if any(".dwconv." in name for name in names) else 3
    for name in names:
        value = state_dict.pop(prefix + name)
        found = re.match(r"(patch_embed|pos_embed|block|norm)(\d)\b\.?(.*)", name)
        if found is None:  # the classifier and its token
            continue
        kind, stage, rest = found[1], int(found[2]) - 1, found[3]
        if kind == "pos_embed":
            # The last one has a place for the token of the classifier, 1 more than a square.
            tokens = value.shape[1]
            value = value[:, tokens - int(tokens**0.5) ** 2 :]
            new = f"layers.{stage}.1.0.pos_embed"
        elif kind == "patch_embed":
            new = f"layers.{stage}.0.{rest.replace('proj.', 'projection.')}"
        elif kind == "norm":
            new = f"layers.{stage}.2.{rest}"
        else:
            number, _, rest = rest.partition(".")
            if rest.startswith("mlp.fc"):
                value = value[..., None, None] if rest.endswith("weight") else value
            rest = rest.replace("mlp.fc1.", "ffn.layers.0.").replace(
                "mlp.fc2.", f"ffn.layers.{last}."
            )
            rest = rest.replace("mlp.dwconv.dwconv.", "ffn.layers.1.")
            rest = rest.replace("attn.proj.", "attn.attn.out_proj.")
            new = f"layers.{stage}.1.{int(number) + offset}.{rest}"
        state_dict[prefix + new] = value
    for key in [key for key in state_dict if re.search(r"\.attn\.q\.\w+$", key)]:
        attention, _, kind = key.rpartition("q.")
        queries, others = state_dict.pop(key), state_dict.pop(f"{attention}kv.{kind}")
        state_dict[f"{attention}attn.in_proj_{kind}"] = torch.cat([queries, others])


def _by_rows(weights: Tensor) -> Tensor:
    """Reorder inputs (O, 4 * C) of a merged token to (C, 4), places row by row."""
    outputs, inputs = weights.shape
    return (
        weights.reshape(outputs, 4, inputs // 4)[:, _BY_ROWS].transpose(1, 2).reshape(outputs, -1)
    )
