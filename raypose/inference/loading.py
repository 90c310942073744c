"""From configs and weights to models that are ready to predict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from raypose.codecs.base import BaseKeypointCodec
from raypose.config import Config, build_codec, build_model, load_config
from raypose.errors import CheckpointError, ConfigError
from raypose.inference.crop_stage import CropStage
from raypose.inference.lift_stage import LiftStage
from raypose.inference.pose_stage import PoseStage
from raypose.models.checkpoint import load_checkpoint, read_checkpoint
from raypose.models.detectors import BaseDetector, ONNXDetector
from raypose.models.estimators.base import BasePoseEstimator
from raypose.registry import MODELS, TRANSFORMS
from raypose.structures import Skeleton

ConfigSource = str | Path | Config


def resolve_device(device: str | torch.device) -> torch.device:
    """Return a torch device; `auto` is the first GPU if there is one."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(device)


def load_estimator(
    config: ConfigSource,
    weights: str | Path | None = None,
    device: str | torch.device = "cpu",
) -> tuple[BasePoseEstimator, Config]:
    """Build an estimator and load its weights.

    Args:
        config: a config (path, name or loaded) or a checkpoint of raypose, which holds its own.
        weights: the checkpoint; by default the one given as `config`, else the config's
            `train.load_from`.
        device: `cpu`, `cuda`, `cuda:1` or `auto`.

    Returns:
        The estimator in evaluation mode, and its config.

    Raises:
        ConfigError: if the config is wrong or names no weights and none are given.
        CheckpointError: if the weights do not fit.
    """
    experiment, source = read_config(config, weights)
    estimator = build_model(experiment)
    if not isinstance(estimator, BasePoseEstimator):
        kind = type(estimator).__name__
        raise ConfigError(f"an estimator is expected under 'model', got the type {kind}")
    load_checkpoint(estimator, source)
    return estimator.to(resolve_device(device)).eval(), experiment


def read_config(
    source: ConfigSource, weights: str | Path | None = None, overrides: Sequence[str] = ()
) -> tuple[Config, Path]:
    """Return a config and the weights that go with it, without building anything.

    Args:
        source: as for `load_estimator`.
        weights: as for `load_estimator`.
        overrides: `key.path=value`, for a config that is read from a file.

    Raises:
        ConfigError: if the config is wrong or names no weights and none are given.
        CheckpointError: if there is no such checkpoint.
    """
    config, own_weights = _read_config(source, overrides)
    found = weights or own_weights
    if found is None:
        raise ConfigError(
            f"{config.path or 'the config'} names no weights; give a checkpoint "
            "(weights=..., --weights) or set train.load_from"
        )
    if not Path(found).is_file():
        raise CheckpointError(f"no checkpoint at {found}")
    return config, Path(found)


def load_pose_stage(
    config: ConfigSource,
    weights: str | Path | None = None,
    device: str | torch.device = "cpu",
    batch_size: int = 8,
) -> PoseStage:
    """Build the stage of a top-down or bottom-up model; arguments as for `load_estimator`."""
    estimator, experiment = load_estimator(config, weights, device)
    return PoseStage(estimator, build_crop_stage(experiment), batch_size, resolve_device(device))


def build_crop_stage(config: Config) -> CropStage:
    """Return the stage that makes the samples of a config's model, as its validation does.

    Raises:
        ConfigError: if the config has no validation pipeline.
    """
    val = config.data_options.val
    if val is None or not val.pipeline:
        raise ConfigError(
            f"{config.path or 'the config'}: data.val.pipeline is missing; it says how a crop is "
            "made for prediction"
        )
    # The image is there already, and this transform reads it from a file.
    steps = [node for node in val.pipeline if node["type"].rsplit(".")[-1] != "LoadImage"]
    compose = {"type": "Compose", "transforms": steps, "seed": config.train.seed}
    whole_image = val.dataset.get("data_mode") == "bottomup"
    return CropStage(TRANSFORMS.build(compose), whole_image)


def load_lift_stage(
    config: ConfigSource,
    source: Skeleton,
    weights: str | Path | None = None,
    device: str | torch.device = "cpu",
) -> LiftStage:
    """Build the stage of a lifter.

    Args:
        config: as for `load_estimator`.
        source: skeleton of the 2D poses.
        weights: as for `load_estimator`.
        device: as for `load_estimator`.

    Raises:
        ConfigError: if the config has no codec or skeleton, or `source` does not fit.
    """
    lifter, experiment = load_estimator(config, weights, device)
    codec: BaseKeypointCodec | None = build_codec(experiment)
    target = experiment.skeleton or lifter.skeleton
    if codec is None or target is None:
        missing = "codec" if codec is None else "skeleton"
        raise ConfigError(f"{experiment.path or 'the config'}: a lifter needs '{missing}'")
    val = experiment.data_options.val
    dataset = {} if val is None else val.dataset
    return LiftStage(
        lifter,
        codec,
        source,
        target,
        num_frames=int(dataset.get("seq_len", 1)),
        device=resolve_device(device),
    )


def load_detector(
    source: str | Path | Mapping[str, Any] | BaseDetector, device: str | torch.device = "cpu"
) -> BaseDetector:
    """Build a detector and make it ready.

    Args:
        source: an ONNX file, a config whose `model` is a detector, a mapping with `type`, or a
            detector.
        device: `cpu`, `cuda`, `cuda:1` or `auto`.

    Raises:
        ConfigError: if this is no detector.
    """
    if isinstance(source, (str, Path)):
        if Path(source).suffix == ".onnx":
            detector: Any = ONNXDetector(source)
        else:
            detector = build_model(load_config(source))
    else:
        detector = MODELS.build(source)
    if not callable(getattr(detector, "detect", None)):
        raise ConfigError(
            f"a detector (a class with detect()) is expected, got {type(detector).__name__}"
        )
    return detector.to(str(resolve_device(device)))


def _read_config(
    source: ConfigSource, overrides: Sequence[str] = ()
) -> tuple[Config, str | Path | None]:
    """Return the config, and the weights that come with it if any."""
    if isinstance(source, Config):
        return source, source.train.load_from
    if Path(source).suffix not in (".pth", ".pt"):
        config = load_config(source, overrides)
        return config, config.train.load_from
    if overrides:
        raise ConfigError(
            f"{source} is a checkpoint with a config of its own; overrides ({overrides[0]}) need "
            "a config file, with the checkpoint as weights"
        )
    text = read_checkpoint(source).get("config")
    if not isinstance(text, str):
        raise CheckpointError(f"{source} holds no config; give the config and these as weights")
    return Config.from_yaml(text), source
