"""One YAML that drives training, annotation and serving: read, checked, built."""

from raypose.config.building import (
    Pipeline,
    Split,
    build_codec,
    build_dataset,
    build_metrics,
    build_model,
    build_pipeline,
    sample_shares,
)
from raypose.config.config import Config, check_config, load_config
from raypose.config.lookup import available_configs, find_config
from raypose.config.serving import load_serve_config

__all__ = [
    "Config",
    "Pipeline",
    "Split",
    "available_configs",
    "build_codec",
    "build_dataset",
    "build_metrics",
    "build_model",
    "build_pipeline",
    "check_config",
    "find_config",
    "load_config",
    "load_serve_config",
    "sample_shares",
]
