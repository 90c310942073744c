"""From what the caller of `Predictor` names to the stages of its pipeline."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from raypose.config import Config
from raypose.config.sections import TrackingSection
from raypose.config.validation import section_problems
from raypose.errors import ConfigError, did_you_mean
from raypose.inference.box_stage import ONLY, BoxStage
from raypose.inference.lift_stage import LiftStage
from raypose.inference.loading import (
    DetectorSource,
    load_detector,
    load_lift_stage,
    load_pose_stage,
)
from raypose.inference.pose_branch import PoseBranch
from raypose.inference.pose_stage import PoseStage
from raypose.models.detectors import BaseDetector, JointDetector

PoseSource = str | Path | Config | PoseStage
LifterSource = str | Path | Config | LiftStage
Tracking = bool | str | Mapping[str, Any] | TrackingSection | None
Device = str | torch.device


def build_branches(
    pose: PoseSource | Mapping[str, PoseSource],
    weights: Any,
    lifter: Any,
    lifter_weights: Any,
    tracker: Tracking,
    device: Device,
    batch_size: int,
    backend: str,
) -> dict[str, PoseBranch]:
    """Build the models of each category; arguments as of `Predictor`.

    Raises:
        ConfigError: if a model cannot be built, or something is given for a category that has no
            pose model.
    """
    models = dict(pose) if isinstance(pose, Mapping) else {ONLY: pose}
    if not models:
        raise ConfigError("pose: at least one category needs a model")
    names = tuple(models)
    own = {
        key: _by_category(key, value, names)
        for key, value in (
            ("weights", weights),
            ("lifter", lifter),
            ("lifter_weights", lifter_weights),
        )
    }
    branches = {}
    for name, source in models.items():
        stage = (
            source
            if isinstance(source, PoseStage)
            else load_pose_stage(source, own["weights"].get(name), device, batch_size, backend)
        )
        lift = _lift_stage(own["lifter"].get(name), stage, own["lifter_weights"].get(name), device)
        tracking, live_tracking = _tracking(tracker, lift)
        branches[name] = PoseBranch(
            pose=stage, lift=lift, tracking=tracking, live_tracking=live_tracking
        )
    return branches


def build_box_stage(
    branches: Mapping[str, PoseBranch],
    detector: DetectorSource | Mapping[str, DetectorSource] | None,
    device: Device,
    **options: Any,
) -> BoxStage:
    """Build what gives the models their boxes.

    Args:
        branches: the models by category.
        detector: as of `Predictor`.
        device: where it runs.
        **options: of `load_detector`.

    Raises:
        ConfigError: if the detector cannot be built, does not know a category, or no model needs
            it.
    """
    whole_image = [name for name, branch in branches.items() if branch.pose.crop.whole_image]
    names = tuple(name for name in branches if name not in whole_image)
    built: BaseDetector | None = None
    if detector is None:
        given = [key for key, value in options.items() if value is not None]
        if given:
            raise ConfigError(f"{given[0]} is an option of a detector, and none is given")
    elif not names:
        raise ConfigError("a bottom-up model finds the people itself; leave the detector out")
    elif names == (ONLY,):
        built = load_detector(detector, device, **options)
    elif options["classes"] is not None:
        raise ConfigError("classes: the categories of pose say what to look for")
    elif isinstance(detector, Mapping) and "type" not in detector:
        built = _joint_detector(detector, names, device, options)
    else:
        if not isinstance(detector, BaseDetector):
            options = {**options, "classes": names}
        built = load_detector(detector, device, **options)
    return BoxStage(built, tuple(branches), whole_image)


def read_tracking(tracker: Tracking) -> TrackingSection | None:
    """Return how instances are followed, None for not at all.

    Args:
        tracker: as of `Predictor`.

    Raises:
        ConfigError: with every mistake.
    """
    if tracker is None or isinstance(tracker, TrackingSection):
        return tracker
    if isinstance(tracker, bool):
        return TrackingSection() if tracker else None
    given = {"association": tracker} if isinstance(tracker, str) else dict(tracker)
    problems = [
        ".".join(("tracker", *(str(key) for key in path))) + f": {message}"
        for path, message in section_problems(TrackingSection, given)
    ]
    if problems:
        raise ConfigError(problems)
    return TrackingSection.model_validate(given)


def _tracking(
    tracker: Tracking, lift: LiftStage | None
) -> tuple[TrackingSection | None, TrackingSection | None]:
    """Return how videos and cameras are tracked."""
    if tracker is None and lift is not None and lift.num_frames > 1:
        # Whoever asks for no delay gets none: a camera's frames do not wait for a whole window.
        return TrackingSection(), TrackingSection(causal=True)
    section = read_tracking(tracker)
    return section, section


def _joint_detector(
    detectors: Mapping[str, DetectorSource],
    names: tuple[str, ...],
    device: Device,
    options: Mapping[str, Any],
) -> JointDetector:
    given = _by_category("detector", detectors, names)
    missing = [name for name in names if name not in given]
    if missing:
        raise ConfigError(f"detector: there is none for '{missing[0]}'")
    if options["weights"] is not None:
        raise ConfigError("detector_weights: give each detector its own, as a mapping with 'type'")
    built = {}
    for name in names:
        own = {} if isinstance(given[name], BaseDetector) else {**options, "classes": [name]}
        built[name] = load_detector(given[name], device, **own)
    return JointDetector(built)


def _lift_stage(
    lifter: LifterSource | None, stage: PoseStage, weights: Any, device: Device
) -> LiftStage | None:
    if lifter is None or isinstance(lifter, LiftStage):
        return lifter
    skeleton = stage.estimator.skeleton
    if skeleton is None:
        raise ConfigError("a lifter needs to know the skeleton of the pose model")
    return load_lift_stage(lifter, skeleton, weights, device)


def _by_category(key: str, given: Any, names: tuple[str, ...]) -> dict[str, Any]:
    """Return what is given for each category."""
    if given is None:
        return {}
    if names == (ONLY,):
        return {ONLY: given}
    if not isinstance(given, Mapping):
        raise ConfigError(
            f"{key}: for several pose models it is a mapping from category to what it gets, such "
            f"as {{'{names[0]}': ...}}; got {given!r}"
        )
    for name in given:
        if name not in names:
            near = did_you_mean(str(name), names)
            raise ConfigError(f"{key}: there is no pose model of '{name}'.{near}")
    return dict(given)
