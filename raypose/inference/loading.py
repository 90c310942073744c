"""From names, configs and weights to models that are ready to predict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from raypose.codecs.base import BaseKeypointCodec
from raypose.config import Config, build_codec, build_model, load_config
from raypose.config.lookup import find_config, published_model
from raypose.errors import CheckpointError, ConfigError, did_you_mean
from raypose.inference.backends import choose_backend, probe_poses, run_on_backend
from raypose.inference.crop_stage import CropStage
from raypose.inference.lift_stage import LiftStage
from raypose.inference.pose_stage import PoseStage
from raypose.models.checkpoint import load_checkpoint, read_checkpoint
from raypose.models.detectors import DETECTOR_ALIASES, BaseDetector, Classes
from raypose.models.estimators.base import BasePoseEstimator
from raypose.registry import MODELS, TRANSFORMS
from raypose.structures import Skeleton
from raypose.weights import is_address, local_file

ConfigSource = str | Path | Config
DetectorSource = str | Path | Mapping[str, Any] | BaseDetector


def resolve_device(device: str | torch.device) -> torch.device:
    """Return a torch device; `auto` is the first GPU if there is one."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(device)


def load_model(
    name: ConfigSource, *, weights: str | Path | None = None, device: str | torch.device = "auto"
) -> BasePoseEstimator:
    """Return a model by name, with its published weights.

    Args:
        name: short name of a published model (`rtmpose-m`, `human`, `wholebody`, `vitpose`, ...,
            see `raypose weights list`) or whatever else `load_estimator` takes.
        weights: path or address of other weights.
        device: `cpu`, `cuda`, `cuda:1`, or `auto` for a GPU if there is one.

    Returns:
        The estimator, in evaluation mode on the device.

    Raises:
        ConfigError: if there is no such model, with the nearest name, or no config of it yet.
        CheckpointError: if the weights cannot be downloaded, with what to put where, or do not fit.

    Example:
        Both mean the same:

            model = raypose.load_model("rtmpose-m")
            model = raypose.load_model("rtmpose-m_8xb256-420e_body8-256x192")
    """
    return load_estimator(name, weights, device)[0]


def load_estimator(
    config: ConfigSource,
    weights: str | Path | None = None,
    device: str | torch.device = "cpu",
) -> tuple[BasePoseEstimator, Config]:
    """Build an estimator and load its weights.

    Args:
        config: a config (path, name, alias or loaded) or a checkpoint of raypose, which holds its
            own.
        weights: path or address of the checkpoint; by default the one given as `config`, else the
            weights that are published for a shipped config, else the config's `train.load_from`.
        device: `cpu`, `cuda`, `cuda:1` or `auto`.

    Returns:
        The estimator in evaluation mode, and its config.

    Raises:
        ConfigError: if the config is wrong or names no weights and none are given.
        CheckpointError: if the weights cannot be had or do not fit.
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
        CheckpointError: if there is no such checkpoint, or it cannot be downloaded.
    """
    config, own_weights = _read_config(source, overrides)
    found = weights or own_weights
    if found is None:
        raise ConfigError(
            f"{config.path or 'the config'} names no weights; give a checkpoint "
            "(weights=..., --weights) or set train.load_from"
        )
    path = local_file(found)
    if not path.is_file():
        raise CheckpointError(f"no checkpoint at {found}")
    return config, path


def load_pose_stage(
    config: ConfigSource,
    weights: str | Path | None = None,
    device: str | torch.device = "cpu",
    batch_size: int = 8,
    backend: str = "auto",
) -> PoseStage:
    """Build the stage of a top-down or bottom-up model.

    Args:
        config: as for `load_estimator`.
        weights: as for `load_estimator`.
        device: as for `load_estimator`.
        batch_size: samples of one call of the model.
        backend: what runs the network: `torch`, `onnxruntime`, `openvino`, or `auto` for ONNX
            Runtime on a CPU where it is installed and torch otherwise; see `run_on_backend`.

    Raises:
        ConfigError: as `load_estimator`, and for a backend that is unknown or not installed.
        CheckpointError: as `load_estimator`.
        RayposeError: if a backend other than `auto` cannot run the model.
    """
    place = resolve_device(device)
    choose_backend(backend, place)  # a mistake is told before weights are loaded
    estimator, experiment = load_estimator(config, weights, device)
    stage = PoseStage(estimator, build_crop_stage(experiment), batch_size, place)
    network = [experiment.data.get(key) for key in ("model", "codec", "skeleton")]
    stage.backend = run_on_backend(
        stage.estimator, lambda: probe_poses(stage), backend, place, repr(network)
    )
    return stage


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
    """Build the stage of a lifter; its windows are those of its validation.

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
    return LiftStage(
        lifter,
        codec,
        source,
        target,
        **_window_options({} if val is None else val.dataset),
        device=resolve_device(device),
    )


def load_detector(
    source: DetectorSource,
    device: str | torch.device = "cpu",
    *,
    weights: str | Path | None = None,
    score_thr: float | None = None,
    nms_thr: float | None = None,
    max_per_image: int | None = None,
    batch_size: int | None = None,
    classes: Classes | None = None,
) -> BaseDetector:
    """Build a detector and make it ready; what is None stays the detector's own.

    Args:
        source: an ONNX file or its address, a config whose `model` is a detector (path or name),
            a short name (`human`, `face`, `hand`, `animal`, `rtmdet`, `yolox`, ...), a mapping
            with `type`, or a detector, which has its options already.
        device: `cpu`, `cuda`, `cuda:1` or `auto`.
        weights: path or address of the checkpoint of a torch detector.
        score_thr: least score of a box.
        nms_thr: of two boxes of a class whose IoU is larger, the better remains.
        max_per_image: most boxes of an image, the best ones.
        batch_size: images of one call of the network.
        classes: classes to keep, by name or index.

    Raises:
        ConfigError: if this is no detector, or it does not take an option or have a class.
        CheckpointError: if the file or the weights cannot be had.
    """
    given = {
        "score_thr": score_thr,
        "nms_thr": nms_thr,
        "max_per_image": max_per_image,
        "batch_size": batch_size,
        "classes": classes,
    }
    options = {key: value for key, value in given.items() if value is not None}
    if weights is not None:
        options["init_cfg"] = {"type": "Pretrained", "checkpoint": str(weights)}
    if isinstance(source, (str, Path)):
        node, own = _detector_config(source)
        options = {**own, **options}
    elif isinstance(source, Mapping):
        node = dict(source)
    elif options:
        raise ConfigError(
            f"this {type(source).__name__} is built already; give {', '.join(options)} where it is"
        )
    else:
        node = source
    if isinstance(node, dict) and "onnx_file" in node and weights is not None:
        raise ConfigError(f"{node['onnx_file']} holds its weights; there are no others to load")
    detector: Any = MODELS.build({**node, **options} if isinstance(node, dict) else node)
    if not callable(getattr(detector, "detect", None)):
        raise ConfigError(
            f"a detector (a class with detect()) is expected, got {type(detector).__name__}"
        )
    return detector.to(str(resolve_device(device)))


def _detector_config(source: str | Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the mapping that a detector is built from, and what its short name adds to it."""
    if Path(source).suffix == ".onnx":
        return {"type": "ONNXDetector", "onnx_file": str(local_file(source))}, {}
    alias = DETECTOR_ALIASES.get(str(source))
    if alias is not None:
        own = {} if alias.classes is None else {"classes": alias.classes}
        return load_config(alias.config).data["model"], own
    try:
        path = find_config(source)
    except ConfigError as error:
        near = did_you_mean(str(source), DETECTOR_ALIASES)
        short = f"Short names of detectors are {', '.join(DETECTOR_ALIASES)}.{near}"
        raise ConfigError([*error.problems, short]) from error
    return load_config(path).data["model"], {}


def _window_options(dataset: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of `LiftStage` that a dataset of motion capture knows."""
    multiple = int(dataset.get("multiple_target", 0))
    num_frames = multiple or int(dataset.get("seq_len", 1))
    causal = not multiple and bool(dataset.get("causal", True))
    return {
        "num_frames": num_frames,
        "frame": num_frames - 1 if causal else num_frames // 2,
        "step": int(dataset.get("seq_step", 1)),
        "multiple": multiple > 0,
        "scored": dataset.get("keypoint_2d_src") == "detection",
    }


def _read_config(
    source: ConfigSource, overrides: Sequence[str] = ()
) -> tuple[Config, str | Path | None]:
    """Return the config, and the weights that come with it if any."""
    if isinstance(source, Config):
        return source, source.train.load_from
    if Path(source).suffix not in (".pth", ".pt", ".safetensors"):
        config = load_config(source, overrides)
        return config, _own_weights(config, overrides)
    if overrides:
        raise ConfigError(
            f"{source} is a checkpoint with a config of its own; overrides ({overrides[0]}) need "
            "a config file, with the checkpoint as weights"
        )
    text = read_checkpoint(source).get("config")
    if not isinstance(text, str):
        raise CheckpointError(f"{source} holds no config; give the config and these as weights")
    return Config.from_yaml(text), source


def _own_weights(config: Config, overrides: Sequence[str]) -> str | None:
    """Return the weights a config is for, None if it does not tell."""
    start = config.train.load_from
    chosen = any(word.partition("=")[0].strip() == "train.load_from" for word in overrides)
    published = None if config.path is None else published_model(config.path)
    # The address of a shipped config is where its training started from, not its result.
    if published is None or chosen or (start is not None and not is_address(start)):
        return start
    return published.url
