"""`optimizer:`: which one, its learning rate, and what differs between parameters."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from raypose.config.sections.base import Amount, Fraction, PositiveFloat, PositiveInt, Section


class ParameterRule(Section):
    """What differs for parameters whose name holds a word.

    Attributes:
        lr_mult: times the learning rate.
        decay_mult: times the weight decay.
    """

    lr_mult: Amount = 1.0
    decay_mult: Amount = 1.0


class ParamwiseSection(Section):
    """Factors for kinds of parameters, as in MMEngine.

    Attributes:
        norm_decay_mult: weight decay of normalisation layers.
        bias_lr_mult: learning rate of biases outside normalisation layers.
        bias_decay_mult: weight decay of the same.
        dwconv_decay_mult: weight decay of depthwise convolutions.
        flat_decay_mult: weight decay of other parameters of one dimension.
        custom_keys: rules by a word of the parameter's name; the longest one that fits counts.
        force_default_settings: what is set above counts for parameters with such a word too.
        num_layers: transformer layers of the backbone, for `layer_decay_rate`.
        layer_decay_rate: learning rate of a layer relative to that of the next one.
    """

    norm_decay_mult: Amount = 1.0
    bias_lr_mult: Amount = 1.0
    bias_decay_mult: Amount = 1.0
    dwconv_decay_mult: Amount = 1.0
    flat_decay_mult: Amount = 1.0
    custom_keys: dict[str, ParameterRule] = Field(default_factory=dict)
    force_default_settings: bool = False
    num_layers: PositiveInt | None = None
    layer_decay_rate: Fraction = 1.0


class OptimizerSection(Section):
    """An optimizer by name; its further arguments stand beside `lr`.

    Attributes:
        type: such as `AdamW`.
        lr: learning rate of the whole batch.
        paramwise: what differs between parameters.
    """

    model_config = ConfigDict(extra="allow")

    type: str
    lr: PositiveFloat
    paramwise: ParamwiseSection = ParamwiseSection()
