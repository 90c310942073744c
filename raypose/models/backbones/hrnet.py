"""HRNet (Sun et al., Deep High-Resolution Representation Learning, CVPR 2019)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from raypose.errors import ConfigError, did_you_mean
from raypose.models.backbones.resnet import zero_last_norms
from raypose.models.backbones.staged_backbone import StagedBackbone
from raypose.models.base_module import InitCfg
from raypose.models.layers import (
    BasicBlock,
    Bottleneck,
    build_conv_layer,
    build_norm_layer,
    make_res_layer,
    norm_abbreviation,
)
from raypose.models.layers.initialize import is_pretrained
from raypose.models.layers.norm import BN
from raypose.registry import MODELS

_BLOCKS: dict[str, type[BasicBlock] | type[Bottleneck]] = {
    "BASIC": BasicBlock,
    "BOTTLENECK": Bottleneck,
}
_STAGE_KEYS = ("num_modules", "num_branches", "block", "num_blocks", "num_channels")
_NEAREST: Mapping[str, Any] = {"mode": "nearest", "align_corners": None}
_INIT: Sequence[Mapping[str, Any]] = (
    {"type": "Normal", "std": 0.001, "layer": ["Conv2d"]},
    {"type": "Constant", "val": 1, "layer": ["_BatchNorm", "GroupNorm"]},
)


@dataclass(frozen=True)
class _Kinds:
    """What all layers of a network share."""

    conv_cfg: Mapping[str, Any] | None
    norm_cfg: Mapping[str, Any]
    with_cp: bool
    upsample: Mapping[str, Any]

    def conv(
        self, in_channels: int, out_channels: int, kernel: int, stride: int
    ) -> list[nn.Module]:
        """Return a convolution and its norm."""
        conv = build_conv_layer(
            self.conv_cfg,
            in_channels,
            out_channels,
            kernel,
            stride=stride,
            padding=kernel // 2,
            bias=False,
        )
        return [conv, build_norm_layer(self.norm_cfg, out_channels)]


class HRModule(nn.Module):
    """Branches of residual blocks, one for each resolution, and what fuses them.

    Args:
        block: kind of block.
        num_blocks: blocks of each branch.
        in_channels: input channels of each branch.
        out_channels: output channels of each branch.
        kinds: kinds of layers.
        multiscale_output: return all resolutions, not only the highest.
    """

    def __init__(
        self,
        block: type[BasicBlock] | type[Bottleneck],
        num_blocks: Sequence[int],
        in_channels: Sequence[int],
        out_channels: Sequence[int],
        kinds: _Kinds,
        multiscale_output: bool,
    ) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            [
                make_res_layer(
                    block,
                    count,
                    before,
                    after,
                    conv_cfg=kinds.conv_cfg,
                    norm_cfg=kinds.norm_cfg,
                    with_cp=kinds.with_cp,
                )
                for count, before, after in zip(num_blocks, in_channels, out_channels, strict=True)
            ]
        )
        outputs = len(out_channels) if multiscale_output else 1
        self.fuse_layers = nn.ModuleList(
            [
                nn.ModuleList([_fuse(out_channels, j, i, kinds) for j in range(len(out_channels))])
                for i in range(outputs)
            ]
        )
        self.relu = nn.ReLU(inplace=True)

    def forward(self, xs: list[Tensor]) -> list[Tensor]:
        """Return maps, highest resolution first, from maps of all resolutions."""
        xs = [branch(x) for branch, x in zip(self.branches, xs, strict=True)]
        fused = []
        for layers in self.fuse_layers:
            parts = [layer(x) for layer, x in zip(layers, xs, strict=True)]  # type: ignore[arg-type]
            total = parts[0]
            for part in parts[1:]:
                total = total + part
            fused.append(self.relu(total))
        return fused


@MODELS.register_module()
class HRNet(StagedBackbone):
    """HRNet: resolutions from 1/4 downwards, side by side.

    Args:
        extra: `stage1` ... `stage4`, each with `num_modules`, `num_branches`, `block` (`BASIC` or
            `BOTTLENECK`), `num_blocks` and `num_channels` (one for each branch); `stage4` may
            have `multiscale_output: true` to return all resolutions instead of the highest;
            `upsample` is how maps are enlarged (`mode`, `align_corners`).
        in_channels: channels of the image.
        conv_cfg: kind of convolution.
        norm_cfg: kind of norm.
        norm_eval: see `StagedBackbone`.
        with_cp: save memory by computing blocks again in the backward pass.
        zero_init_residual: start each block as the identity.
        frozen_stages: see `StagedBackbone`.
        init_cfg: see `BaseModule`.

    Raises:
        ConfigError: if `extra` misses something or contradicts itself.

    Example:
        type: HRNet
        extra:
          stage1: {num_modules: 1, num_branches: 1, block: BOTTLENECK, num_blocks: [4],
            num_channels: [64]}
          stage2: {num_modules: 1, num_branches: 2, block: BASIC, num_blocks: [4, 4],
            num_channels: [32, 64]}
          stage3: {num_modules: 4, num_branches: 3, block: BASIC, num_blocks: [4, 4, 4],
            num_channels: [32, 64, 128]}
          stage4: {num_modules: 3, num_branches: 4, block: BASIC, num_blocks: [4, 4, 4, 4],
            num_channels: [32, 64, 128, 256]}
    """

    def __init__(
        self,
        extra: Mapping[str, Any],
        in_channels: int = 3,
        conv_cfg: Mapping[str, Any] | None = None,
        norm_cfg: Mapping[str, Any] = BN,
        norm_eval: bool = False,
        with_cp: bool = False,
        zero_init_residual: bool = False,
        frozen_stages: int = -1,
        init_cfg: InitCfg = _INIT,
    ) -> None:
        super().__init__(frozen_stages, norm_eval, init_cfg)
        _check_extra(extra)
        kinds = _Kinds(conv_cfg, norm_cfg, with_cp, extra.get("upsample", _NEAREST))
        self.zero_init_residual = zero_init_residual
        self.norm_names = [f"{norm_abbreviation(norm_cfg)}{i}" for i in (1, 2)]
        self.conv1, norm1 = kinds.conv(in_channels, 64, 3, stride=2)
        self.conv2, norm2 = kinds.conv(64, 64, 3, stride=2)
        self.add_module(self.norm_names[0], norm1)
        self.add_module(self.norm_names[1], norm2)
        self.relu = nn.ReLU(inplace=True)

        first = extra["stage1"]
        block, channels = _BLOCKS[first["block"]], _channels(first)
        self.layer1 = make_res_layer(
            block,
            first["num_blocks"][0],
            64,
            channels[0],
            conv_cfg=conv_cfg,
            norm_cfg=norm_cfg,
            with_cp=with_cp,
        )
        for number in (2, 3, 4):
            stage = extra[f"stage{number}"]
            after = _channels(stage)
            self.add_module(f"transition{number - 1}", _transition(channels, after, kinds))
            last = stage.get("multiscale_output", False) if number == 4 else True
            self.add_module(f"stage{number}", _stage(stage, after, kinds, last))
            channels = after
        self.freeze()

    def init_weights(self) -> None:
        """Start the weights by `init_cfg`; see `zero_init_residual`."""
        super().init_weights()
        if self.zero_init_residual and not is_pretrained(self.init_cfg):
            zero_last_norms(self)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the map of stride 4, or those of strides 4, 8, 16 and 32."""
        x = self.relu(getattr(self, self.norm_names[0])(self.conv1(x)))
        x = self.relu(getattr(self, self.norm_names[1])(self.conv2(x)))
        xs = [self.layer1(x)]
        for number in (2, 3, 4):
            transition = getattr(self, f"transition{number - 1}")
            # A new branch starts from the lowest resolution there is.
            xs = [layer(xs[min(i, len(xs) - 1)]) for i, layer in enumerate(transition)]
            xs = getattr(self, f"stage{number}")(xs)
        return tuple(xs)

    def frozen_modules(self) -> Iterator[nn.Module]:
        """See `StagedBackbone.frozen_modules`."""
        names: list[str] = []
        if self.frozen_stages >= 0:
            names += ["conv1", "conv2", *self.norm_names]
        for number in range(1, self.frozen_stages + 1):
            names.append("layer1" if number == 1 else f"stage{number}")
            if number < 4:
                names.append(f"transition{number}")
        yield from (getattr(self, name) for name in names)


def _check_extra(extra: Mapping[str, Any]) -> None:
    problems = []
    names = [f"stage{number}" for number in (1, 2, 3, 4)]
    for key in extra:
        if key not in (*names, "upsample"):
            hint = did_you_mean(str(key), [*names, "upsample"])
            problems.append(f"HRNet: extra has no '{key}'.{hint}")
    for name in names:
        stage = extra.get(name)
        if stage is None:
            problems.append(f"HRNet: extra needs '{name}'")
            continue
        missing = [key for key in _STAGE_KEYS if key not in stage]
        if missing:
            problems.append(f"HRNet: extra.{name} needs {', '.join(missing)}")
            continue
        if stage["block"] not in _BLOCKS:
            hint = did_you_mean(str(stage["block"]), _BLOCKS)
            problems.append(f"HRNet: extra.{name}.block: unknown block '{stage['block']}'.{hint}")
        for key in ("num_blocks", "num_channels"):
            if len(stage[key]) != stage["num_branches"]:
                problems.append(
                    f"HRNet: extra.{name}.{key}: one for each of the {stage['num_branches']} "
                    f"branches, got {list(stage[key])}"
                )
    if problems:
        raise ConfigError(problems)


def _channels(stage: Mapping[str, Any]) -> list[int]:
    """Return the output channels of each branch of a stage."""
    return [count * _BLOCKS[stage["block"]].default_expansion for count in stage["num_channels"]]


def _transition(before: Sequence[int], after: Sequence[int], kinds: _Kinds) -> nn.ModuleList:
    """Return what leads from the branches of one stage to those of the next."""
    layers: list[nn.Module] = []
    for i, channels in enumerate(after):
        if i < len(before):
            same = channels == before[i]
            fit = [*kinds.conv(before[i], channels, 3, stride=1), nn.ReLU(inplace=True)]
            layers.append(nn.Identity() if same else nn.Sequential(*fit))
            continue
        steps = []
        for last in [False] * (i - len(before)) + [True]:
            target = channels if last else before[-1]
            step = [*kinds.conv(before[-1], target, 3, stride=2), nn.ReLU(inplace=True)]
            steps.append(nn.Sequential(*step))
        layers.append(nn.Sequential(*steps))
    return nn.ModuleList(layers)


def _stage(
    stage: Mapping[str, Any], channels: Sequence[int], kinds: _Kinds, multiscale_output: bool
) -> nn.Sequential:
    """Return the modules of a stage; only the last one may drop the lower resolutions."""
    count = stage["num_modules"]
    return nn.Sequential(
        *[
            HRModule(
                _BLOCKS[stage["block"]],
                stage["num_blocks"],
                channels,
                channels,
                kinds,
                multiscale_output or i < count - 1,
            )
            for i in range(count)
        ]
    )


def _fuse(channels: Sequence[int], source: int, target: int, kinds: _Kinds) -> nn.Module:
    """Return what brings the map of one branch to the size and channels of another."""
    if source == target:
        return nn.Identity()
    if source > target:
        upsample = nn.Upsample(
            scale_factor=2 ** (source - target),
            mode=kinds.upsample["mode"],
            align_corners=kinds.upsample["align_corners"],
        )
        return nn.Sequential(*kinds.conv(channels[source], channels[target], 1, stride=1), upsample)
    steps = []
    for step in range(source + 1, target + 1):
        last = step == target
        layers = kinds.conv(channels[source], channels[target if last else source], 3, stride=2)
        steps.append(nn.Sequential(*layers, *([] if last else [nn.ReLU(inplace=True)])))
    return nn.Sequential(*steps)
