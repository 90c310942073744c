"""`HighResolutionNet`: what HRNet and HRFormer share.

Paper: Sun et al., Deep High-Resolution Representation Learning, CVPR 2019.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from torch import Tensor, nn

from raypose.errors import ConfigError, did_you_mean
from raypose.models.backbones.staged_backbone import StagedBackbone
from raypose.models.base_module import InitCfg
from raypose.models.layers import norm_abbreviation, zero_last_norms
from raypose.models.layers.high_resolution import HRLayers, HRModule, make_transition
from raypose.models.layers.initialize import is_pretrained


class HighResolutionNet(StagedBackbone):
    """A stem, a stage of one resolution, and stages of two, three and four side by side.

    Args:
        extra: see `HRNet`.
        layers: makes the layers.
        in_channels: channels of the image.
        norm_eval: see `StagedBackbone`.
        zero_init_residual: start each residual block as the identity.
        frozen_stages: see `StagedBackbone`.
        init_cfg: see `BaseModule`.

    Raises:
        ConfigError: if `extra` misses something or contradicts itself.
    """

    # What `extra` may hold besides the stages.
    options: ClassVar[tuple[str, ...]] = ("upsample",)

    def __init__(
        self,
        extra: Mapping[str, Any],
        layers: HRLayers,
        in_channels: int = 3,
        norm_eval: bool = False,
        zero_init_residual: bool = False,
        frozen_stages: int = -1,
        init_cfg: InitCfg = None,
    ) -> None:
        super().__init__(frozen_stages, norm_eval, init_cfg)
        _check_extra(type(self).__name__, extra, self.options, layers)
        extra = layers.complete(extra)
        self.zero_init_residual = zero_init_residual
        self.norm_names = [f"{norm_abbreviation(layers.norm_cfg)}{i}" for i in (1, 2)]
        self.conv1, norm1 = layers.conv(in_channels, 64, 3, stride=2)
        self.conv2, norm2 = layers.conv(64, 64, 3, stride=2)
        self.add_module(self.norm_names[0], norm1)
        self.add_module(self.norm_names[1], norm2)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = layers.branch(extra["stage1"], 0, 0, 64)
        channels = layers.channels(extra["stage1"])[:1]
        for number in (2, 3, 4):
            stage = extra[f"stage{number}"]
            after = layers.channels(stage)
            self.add_module(f"transition{number - 1}", make_transition(channels, after, layers))
            last = stage.get("multiscale_output", False) if number == 4 else True
            self.add_module(f"stage{number}", _make_stage(stage, layers, last))
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


def _check_extra(
    network: str, extra: Mapping[str, Any], options: Sequence[str], layers: HRLayers
) -> None:
    problems = []
    names = [f"stage{number}" for number in (1, 2, 3, 4)]
    for key in extra:
        if key not in (*names, *options):
            hint = did_you_mean(str(key), [*names, *options])
            problems.append(f"{network}: extra has no '{key}'.{hint}")
    for name in names:
        if name not in extra:
            problems.append(f"{network}: extra needs '{name}'")
        else:
            problems += [
                f"{network}: extra.{name}{problem}" for problem in _problems(extra[name], layers)
            ]
    if problems:
        raise ConfigError(problems)


def _problems(stage: Mapping[str, Any], layers: HRLayers) -> list[str]:
    kind = stage.get("block")
    if kind is not None and kind not in layers.blocks:
        hint = did_you_mean(str(kind), layers.blocks)
        return [f".block: unknown block '{kind}'.{hint}"]
    keys = layers.branch_keys(str(kind))
    needed = ("num_modules", "num_branches", "block", *keys)
    missing = [key for key in needed if key not in stage]
    if missing:
        return [f" needs {', '.join(missing)}"]
    return [
        f".{key}: one for each of the {stage['num_branches']} branches, got {list(stage[key])}"
        for key in keys
        if len(stage[key]) != stage["num_branches"]
    ]


def _make_stage(
    stage: Mapping[str, Any], layers: HRLayers, multiscale_output: bool
) -> nn.Sequential:
    """Return the modules of a stage; only the last one may drop the lower resolutions."""
    count, channels = stage["num_modules"], layers.channels(stage)
    modules = []
    for i in range(count):
        branches = [layers.branch(stage, i, k, before) for k, before in enumerate(channels)]
        modules.append(HRModule(branches, channels, layers, multiscale_output or i < count - 1))
    return nn.Sequential(*modules)
