"""Building blocks that several backbones, necks and heads share."""

from raypose.models.layers.activation import build_activation_layer
from raypose.models.layers.channel_shuffle import channel_shuffle
from raypose.models.layers.channels import make_divisible
from raypose.models.layers.context_block import ContextBlock
from raypose.models.layers.conv_module import (
    ConvModule,
    DepthwiseSeparableConvModule,
    build_conv_layer,
)
from raypose.models.layers.csp_layer import (
    ChannelAttention,
    CSPLayer,
    CSPNeXtBlock,
    DarknetBottleneck,
    SPPBottleneck,
)
from raypose.models.layers.drop_path import DropPath
from raypose.models.layers.initialize import initialize
from raypose.models.layers.inverted_residual import InvertedResidual
from raypose.models.layers.norm import build_norm_layer, norm_abbreviation
from raypose.models.layers.patch_embed import PatchEmbed, PatchMerging, resize_position_embedding
from raypose.models.layers.residual import (
    BasicBlock,
    Bottleneck,
    make_downsample,
    make_res_layer,
    zero_last_norms,
)
from raypose.models.layers.se_layer import SELayer
from raypose.models.layers.transformer import (
    FeedForward,
    LayerScale,
    MultiheadAttention,
    TransformerEncoderLayer,
)
from raypose.models.layers.windows import WindowAttention

__all__ = [
    "BasicBlock",
    "Bottleneck",
    "CSPLayer",
    "CSPNeXtBlock",
    "ChannelAttention",
    "ContextBlock",
    "ConvModule",
    "DarknetBottleneck",
    "DepthwiseSeparableConvModule",
    "DropPath",
    "FeedForward",
    "InvertedResidual",
    "LayerScale",
    "MultiheadAttention",
    "PatchEmbed",
    "PatchMerging",
    "SELayer",
    "SPPBottleneck",
    "TransformerEncoderLayer",
    "WindowAttention",
    "build_activation_layer",
    "build_conv_layer",
    "build_norm_layer",
    "channel_shuffle",
    "initialize",
    "make_divisible",
    "make_downsample",
    "make_res_layer",
    "norm_abbreviation",
    "resize_position_embedding",
    "zero_last_norms",
]
