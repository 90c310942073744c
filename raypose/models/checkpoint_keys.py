"""Keys of weights as files have them, in today's form.

MMPose renamed modules between its releases, and for DEKR what they compute changed as well. What
is told here from the keys alone needs neither the version of the file nor its classes.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Collection, Mapping
from typing import Any

import torch
from torch import Tensor

# Modules of heads before MMPose 1.0 and since.
_DEKR = {"offset_conv_layers": "displacement_conv_layers"}
_CID = {
    "keypoint_center_conv": "iia_module.keypoint_root_conv",
    "conv_down": "gfd_module.conv_down",
    "c_attn": "gfd_module.channel_attention",
    "s_attn": "gfd_module.spatial_attention",
    "fuse_attn": "gfd_module.fuse_attention",
    "heatmap_conv": "gfd_module.heatmap_conv",
}
_RLE = {"loss": "loss_module"}
_STUDENT = "student."


def convert_keys(weights: Mapping[str, Tensor], known: Collection[str] = ()) -> dict[str, Tensor]:
    """Return weights under the keys of today.

    * `module.` of wrapped models disappears, and so do `data_preprocessor.`, the averages that
      MMDetection 2 saved beside the weights (`ema_...`) and the counter of an average (`steps`).
    * Before MMPose 1.0: `keypoint_head.` is `head.`; `final_layer.2.` is `conv_layers.2.` or, for
      the last convolution, `final_layer.`; `loss.` of a head is `loss_module.`; modules of DEKR
      and CID had other names.
    * DEKR of that time pointed from a keypoint to its root, now it points from the root: the last
      layer of displacements is negated. The heatmap of roots was the first, now it is the last.
    * Of a distiller a model that is none takes the student.

    Args:
        weights: as they were saved.
        known: keys of the model they are for; such keys are today's and stay.
    """
    named = {key.removeprefix("module."): value for key, value in weights.items()}
    if known and not any(key.startswith(_STUDENT) for key in known):
        student = {k.removeprefix(_STUDENT): v for k, v in named.items() if k.startswith(_STUDENT)}
        named = student or named
    named = {key: value for key, value in named.items() if key in known or not _is_no_weight(key)}
    named = {_without_old_root(key, known): value for key, value in named.items()}
    if any(k.startswith("head.offset_conv_layers.") and k not in known for k in named):
        named = _turn_dekr(named)
    rename = _renaming_of(named)
    return {key if key in known else rename(key): value for key, value in named.items()}


def key_digest(weights: Mapping[str, Any]) -> str:
    """Return eight digits that tell models apart by their keys and shapes.

    Counters of batch norms do not count: some files have none.
    """
    lines = sorted(
        f"{key} {list(value.shape)}"
        for key, value in weights.items()
        if not key.endswith("num_batches_tracked")
    )
    return f"{zlib.crc32(chr(10).join(lines).encode()):08x}"


def _is_no_weight(key: str) -> bool:
    return key == "steps" or key.startswith(("data_preprocessor.", "ema_"))


def _without_old_root(key: str, known: Collection[str]) -> str:
    if key in known:
        return key
    if key.startswith("rescore_net."):
        return f"head.{key}"
    return re.sub(r"^keypoint_head\.", "head.", key)


def _turn_dekr(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    turned = {}
    for key, value in weights.items():
        if key.startswith("head.offset_conv_layers.3."):
            value = -value
        elif key.startswith("head.heatmap_conv_layers.2."):
            value = torch.cat([value[1:], value[:1]])
        turned[key] = value
    return turned


def _renaming_of(weights: Mapping[str, Tensor]) -> Callable[[str], str]:
    """Return what makes today's key out of one that is in a file with these."""
    modules = {**_DEKR, **_RLE}
    if any(key.startswith("head.keypoint_center_conv.") for key in weights):
        modules |= _CID
    last = max((int(found[2]) for found in map(_final_layer, weights) if found), default=0)

    def rename(key: str) -> str:
        found = _final_layer(key)
        if found:
            number = int(found[2])
            layer = "final_layer" if number == last else f"conv_layers.{number}"
            key = f"{found[1]}.{layer}.{found[3]}"
        root, _, rest = key.partition(".")
        module, _, name = rest.partition(".")
        if root != "head" or module not in modules:
            return key
        return f"head.{modules[module]}.{name}"

    return rename


def _final_layer(key: str) -> re.Match[str] | None:
    return re.match(r"(head(?:\.\w+)?)\.final_layer\.(\d+)\.(\w+)$", key)
