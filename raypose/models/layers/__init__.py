"""Building blocks that several backbones, necks and heads share."""

from raypose.models.layers.activation import build_activation_layer
from raypose.models.layers.channels import make_divisible
from raypose.models.layers.conv_module import (
    ConvModule,
    DepthwiseSeparableConvModule,
    build_conv_layer,
)
from raypose.models.layers.csp_layer import ChannelAttention, CSPLayer, CSPNeXtBlock, SPPBottleneck
from raypose.models.layers.drop_path import DropPath
from raypose.models.layers.initialize import initialize
from raypose.models.layers.norm import build_norm_layer, norm_abbreviation
from raypose.models.layers.patch_embed import PatchEmbed, resize_position_embedding
from raypose.models.layers.residual import BasicBlock, Bottleneck, make_downsample, make_res_layer
from raypose.models.layers.transformer import (
    FeedForward,
    LayerScale,
    MultiheadAttention,
    TransformerEncoderLayer,
)

__all__ = [
    "BasicBlock",
    "Bottleneck",
    "CSPLayer",
    "CSPNeXtBlock",
    "ChannelAttention",
    "ConvModule",
    "DepthwiseSeparableConvModule",
    "DropPath",
    "FeedForward",
    "LayerScale",
    "MultiheadAttention",
    "PatchEmbed",
    "SPPBottleneck",
    "TransformerEncoderLayer",
    "build_activation_layer",
    "build_conv_layer",
    "build_norm_layer",
    "initialize",
    "make_divisible",
    "make_downsample",
    "make_res_layer",
    "norm_abbreviation",
    "resize_position_embedding",
]
