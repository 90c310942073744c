"""Lite-HRNet (Yu et al., Lite-HRNet: A Lightweight High-Resolution Network, CVPR 2021)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from raypose.errors import ConfigError, did_you_mean
from raypose.models.backbones.litehrnet_blocks import (
    IterativeHead,
    LiteHRModule,
    LiteLayers,
    Stem,
)
from raypose.models.backbones.staged_backbone import NORMAL_INIT, StagedBackbone
from raypose.models.base_module import InitCfg
from raypose.models.layers.high_resolution import make_transition
from raypose.models.layers.norm import BN
from raypose.registry import MODELS

_NEAREST: Mapping[str, Any] = {"mode": "nearest", "align_corners": None}
_EXTRA_KEYS = ("stem", "num_stages", "stages_spec", "with_head")
_STEM_KEYS = ("stem_channels", "out_channels", "expand_ratio")
_SPEC_KEYS = (
    "num_modules",
    "num_branches",
    "num_blocks",
    "module_type",
    "with_fuse",
    "reduce_ratios",
    "num_channels",
)


@MODELS.register_module()
class LiteHRNet(StagedBackbone):
    """Resolutions from 1/4 downwards, side by side, of light blocks.

    Args:
        extra: `stem` with `stem_channels`, `out_channels` and `expand_ratio`; `num_stages`;
            `stages_spec` with an entry for each stage in `num_modules`, `num_branches`,
            `num_blocks`, `module_type` (`LITE` or `NAIVE`), `with_fuse`, `reduce_ratios` (see
            `CrossResolutionWeighting`) and `num_channels` (one for each branch); `with_head`
            whether maps are joined from the lowest resolution up.
        in_channels: channels of the image.
        conv_cfg: kind of convolution.
        norm_cfg: kind of norm.
        norm_eval: see `StagedBackbone`.
        with_cp: save memory by computing blocks again in the backward pass.
        init_cfg: see `BaseModule`.

    Raises:
        ConfigError: if `extra` misses something or contradicts itself.

    Example:
        type: LiteHRNet
        extra:
          stem: {stem_channels: 32, out_channels: 32, expand_ratio: 1}
          num_stages: 3
          stages_spec:
            num_modules: [2, 4, 2]
            num_branches: [2, 3, 4]
            num_blocks: [2, 2, 2]
            module_type: [LITE, LITE, LITE]
            with_fuse: [true, true, true]
            reduce_ratios: [8, 8, 8]
            num_channels: [[40, 80], [40, 80, 160], [40, 80, 160, 320]]
          with_head: true
    """

    def __init__(
        self,
        extra: Mapping[str, Any],
        in_channels: int = 3,
        conv_cfg: Mapping[str, Any] | None = None,
        norm_cfg: Mapping[str, Any] = BN,
        norm_eval: bool = False,
        with_cp: bool = False,
        init_cfg: InitCfg = NORMAL_INIT,
    ) -> None:
        super().__init__(norm_eval=norm_eval, init_cfg=init_cfg)
        _check_extra(extra)
        layers = LiteLayers(conv_cfg, norm_cfg, with_cp, _NEAREST)
        self.stem = Stem(in_channels, **extra["stem"], layers=layers)
        self.num_stages: int = extra["num_stages"]
        spec = extra["stages_spec"]
        before = [extra["stem"]["out_channels"]]
        for i in range(self.num_stages):
            channels = list(spec["num_channels"][i])
            self.add_module(f"transition{i}", make_transition(before, channels, layers))
            modules = [
                LiteHRModule(
                    spec["num_blocks"][i],
                    channels,
                    spec["reduce_ratios"][i],
                    spec["module_type"][i],
                    spec["with_fuse"][i],
                    layers,
                )
                for _ in range(spec["num_modules"][i])
            ]
            self.add_module(f"stage{i}", nn.Sequential(*modules))
            before = channels
        self.head_layer: nn.Module | None = None
        if extra["with_head"]:
            self.head_layer = IterativeHead(before, norm_cfg)
        else:
            # Only the highest resolution leaves the network: nothing learns what the others fuse.
            modules[-1].fuse_layers[1:].requires_grad_(False)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the map of stride 4."""
        xs = [self.stem(x)]
        for i in range(self.num_stages):
            transition = getattr(self, f"transition{i}")
            # A new branch starts from the lowest resolution there is.
            xs = [layer(xs[min(j, len(xs) - 1)]) for j, layer in enumerate(transition)]
            xs = getattr(self, f"stage{i}")(xs)
        if self.head_layer is not None:
            xs = self.head_layer(xs)
        return (xs[0],)

    def frozen_modules(self) -> tuple[nn.Module, ...]:
        """Return nothing: Lite-HRNet is trained as a whole."""
        return ()


def _check_extra(extra: Mapping[str, Any]) -> None:
    problems = _missing_keys("extra", extra, _EXTRA_KEYS)
    problems += _missing_keys("extra.stem", extra.get("stem", {}), _STEM_KEYS)
    spec = extra.get("stages_spec", {})
    problems += _missing_keys("extra.stages_spec", spec, _SPEC_KEYS)
    if problems:
        raise ConfigError(problems)
    count = extra["num_stages"]
    for key in _SPEC_KEYS:
        if len(spec[key]) != count:
            problems.append(
                f"LiteHRNet: extra.stages_spec.{key} has an entry for each of the {count} stages, "
                f"got {list(spec[key])}"
            )
    if problems:
        raise ConfigError(problems)
    for i, (branches, channels) in enumerate(
        zip(spec["num_branches"], spec["num_channels"], strict=True)
    ):
        if len(channels) != branches:
            problems.append(
                f"LiteHRNet: extra.stages_spec.num_channels: stage {i} has {branches} branches, "
                f"got {list(channels)}"
            )
    for kind in spec["module_type"]:
        if str(kind).upper() not in ("LITE", "NAIVE"):
            problems.append(
                f"LiteHRNet: extra.stages_spec.module_type is LITE or NAIVE, got {kind!r}."
            )
    if problems:
        raise ConfigError(problems)


def _missing_keys(name: str, given: Mapping[str, Any], known: Sequence[str]) -> list[str]:
    """Say which keys are missing and which are none."""
    problems = [
        f"LiteHRNet: {name} has no '{key}'.{did_you_mean(str(key), known)}"
        for key in given
        if key not in known
    ]
    missing = [key for key in known if key not in given]
    return problems + ([f"LiteHRNet: {name} needs {', '.join(missing)}"] if missing else [])
