"""`CSPBackbone`: a stem and stages of cross-stage-partial layers.

Paper: Wang et al., CSPNet: A New Backbone that can Enhance Learning Capability of CNN, CVPRW 2020.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from raypose.errors import ConfigError, did_you_mean
from raypose.models.backbones.staged_backbone import StagedBackbone, check_indices, run_stages
from raypose.models.base_module import InitCfg
from raypose.models.layers import (
    ConvModule,
    CSPLayer,
    DepthwiseSeparableConvModule,
    SPPBottleneck,
)

# Of a stage: input channels, output channels, blocks, residuals in the blocks, pyramid pooling.
Stage = Sequence[Any]


class CSPBackbone(StagedBackbone):
    """Parent of CSPDarknet and CSPNeXt; output 0 is the stem, output i has stride 2^(i + 1).

    Args:
        stem: the first layers, stride 2.
        stages: what is in each stage.
        deepen_factor: scales the number of blocks.
        widen_factor: scales the channels.
        out_indices: outputs that are returned.
        frozen_stages: see `StagedBackbone`.
        use_depthwise: depthwise-separable convolutions between the stages.
        spp_kernel_sizes: windows of the pyramid pooling.
        csp: further arguments of `CSPLayer`.
        layers: `conv_cfg`, `norm_cfg` and `act_cfg` of all layers.
        norm_eval: see `StagedBackbone`.
        init_cfg: see `BaseModule`.

    Raises:
        ConfigError: for indices that do not exist.
    """

    def __init__(
        self,
        stem: nn.Module,
        stages: Sequence[Stage],
        deepen_factor: float,
        widen_factor: float,
        out_indices: Sequence[int],
        frozen_stages: int,
        use_depthwise: bool,
        spp_kernel_sizes: Sequence[int],
        csp: Mapping[str, Any],
        layers: Mapping[str, Any],
        norm_eval: bool,
        init_cfg: InitCfg,
    ) -> None:
        super().__init__(frozen_stages, norm_eval, init_cfg)
        count = len(stages) + 1
        name = type(self).__name__
        self.out_indices = check_indices(f"{name}: out_indices", out_indices, count)
        if not -1 <= frozen_stages < count:
            raise ConfigError(
                f"{name}: frozen_stages is within -1 ... {count - 1}, got {frozen_stages}"
            )
        self.stem = stem
        self.layer_names = ["stem"]
        conv = DepthwiseSeparableConvModule if use_depthwise else ConvModule
        for i, (channels, out, num_blocks, add_identity, use_spp) in enumerate(stages):
            out = int(out * widen_factor)
            stage: list[nn.Module] = [
                conv(int(channels * widen_factor), out, 3, stride=2, padding=1, **layers)
            ]
            if use_spp:
                stage.append(SPPBottleneck(out, out, spp_kernel_sizes, **layers))
            stage.append(
                CSPLayer(
                    out,
                    out,
                    num_blocks=max(round(num_blocks * deepen_factor), 1),
                    add_identity=add_identity,
                    use_depthwise=use_depthwise,
                    **csp,
                    **layers,
                )
            )
            self.layer_names.append(f"stage{i + 1}")
            self.add_module(self.layer_names[-1], nn.Sequential(*stage))
        self.freeze()

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """See `BaseBackbone.forward`."""
        return run_stages((getattr(self, n) for n in self.layer_names), x, self.out_indices)

    def frozen_modules(self) -> Iterator[nn.Module]:
        """See `StagedBackbone.frozen_modules`."""
        return (getattr(self, name) for name in self.layer_names[: self.frozen_stages + 1])


def pick_stages(
    name: str,
    arch: str,
    architectures: Mapping[str, Sequence[Stage]],
    arch_ovewrite: Sequence[Stage] | None,
) -> Sequence[Stage]:
    """Return the stages of an architecture, or those given instead.

    Raises:
        ConfigError: for an unknown `arch`.
    """
    if arch not in architectures:
        hint = did_you_mean(str(arch), architectures)
        raise ConfigError(f"{name}: arch is one of {', '.join(architectures)}, got {arch!r}.{hint}")
    return arch_ovewrite or architectures[arch]
