"""Which layer of a transformer a parameter belongs to, for rates that fall from layer to layer."""

from __future__ import annotations

from collections.abc import Sequence

_STEM = ("backbone.cls_token", "backbone.mask_token", "backbone.pos_embed")


def vit_layer_of_parameter(names: Sequence[str], num_layers: int) -> list[int]:
    """Return the layer of each parameter of an estimator with a ViT backbone.

    Args:
        names: parameter names as in `named_parameters()`.
        num_layers: transformer layers of the backbone.

    Returns:
        0 for embeddings, i + 1 for `backbone.layers.i`, `num_layers` + 1 for everything after.
    """
    return [_layer(name, num_layers) for name in names]


def _layer(name: str, num_layers: int) -> int:
    if name in _STEM or name.startswith("backbone.patch_embed"):
        return 0
    if name.startswith("backbone.layers."):
        return int(name.split(".")[2]) + 1
    return num_layers + 1
