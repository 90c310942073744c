"""A model run on shapes: what comes out, and where a mistake of channels or sizes is."""

from __future__ import annotations

import pytest

from raypose.config import Config, load_config
from raypose.errors import ConfigError
from raypose.models.dry_run import dry_run

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
