"""A model run on shapes: what comes out, and where a mistake of channels or sizes is."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from raypose.config import Config, load_config
from raypose.errors import ConfigError
from raypose.models.backbones.base_backbone import BaseBackbone
from raypose.models.dry_run import dry_run
from raypose.registry import MODELS

HEATMAP = "td-hm_res50_8xb64-210e_coco-256x192"
SIMCC = "simcc_res50_8xb64-210e_coco-256x192"
LIFTER = "video-pose-lift_tcn-27frm-supv_8xb128-160e_h36m"


def config(name: str, *overrides: str) -> Config:
    return load_config(name, overrides)


def test_outputs_have_the_shapes_of_the_real_ones() -> None:
    heatmaps = dry_run(config(HEATMAP))
    assert tuple(heatmaps.shape) == (2, 17, 64, 48)
    assert heatmaps.device.type == "meta"
    assert [tuple(vector.shape) for vector in dry_run(config(SIMCC))] == [
        (2, 17, 384),
        (2, 17, 512),
    ]
    assert tuple(dry_run(config(LIFTER)).shape)[:2] == (2, 17)


def test_wrong_channels_name_the_layer_that_met_them() -> None:
    with pytest.raises(
        ConfigError,
        match=r"256x192.yaml: model.head.deconv_layers.0: made for 1024 channels, got 2048",
    ):
        dry_run(config(HEATMAP, "model.head.in_channels=1024"))
    with pytest.raises(ConfigError, match=r"model.head.conv: made for 512 channels, got 1024"):
        dry_run(config(LIFTER, "model.head.in_channels=512"))


def test_heatmaps_of_another_size_than_the_codec_reads() -> None:
    with pytest.raises(
        ConfigError,
        match=r"model.head: heatmaps are \[24, 32\] \(w, h\), codec.heatmap_size is \[48, 64\]",
    ):
        dry_run(
            config(
                HEATMAP,
                "model.head.deconv_out_channels=[256, 256]",
                "model.head.deconv_kernel_sizes=[4, 4]",
            )
        )


def test_vectors_of_another_length_than_the_codec_reads() -> None:
    with pytest.raises(
        ConfigError, match=r"SimCC vectors are \[576, 768\] long, the codec reads \[384, 512\]"
    ):
        dry_run(config(SIMCC, "model.head.simcc_split_ratio=3.0"))


@MODELS.register_module(force=True)
class LooksAtNumbers(BaseBackbone):
    """A backbone that does not run on shapes."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how
        self.conv = nn.Conv2d(3, 2048, 1, 32)
        if how == "constructor":
            self.rates = [rate.item() for rate in torch.linspace(0, 1, 3)]

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        if self.how == "item" and x.max() > 255:
            raise AssertionError
        if self.how == "numpy":
            x.numpy()
        if self.how == "nonzero":
            x.nonzero()
        return (self.conv(x),)


@pytest.mark.parametrize("how", ["constructor", "item", "numpy", "nonzero"])
def test_a_model_that_looks_at_numbers_is_let_pass(how: str) -> None:
    model = config(HEATMAP)
    backbone = {"type": "LooksAtNumbers", "how": how}
    changed = {**model.data, "model": {**model.data["model"], "backbone": backbone}}
    assert dry_run(Config.from_resolved(changed)) is None
