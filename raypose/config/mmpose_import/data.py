"""Dataloaders and pipelines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from raypose.config.mmpose_import.datasets import shares_of_parts, translate_dataset
from raypose.config.mmpose_import.findings import Findings, cleaned, type_name

_ENCODING = ("GenerateTarget",)
_PACKING = ("PackPoseInputs",)
_LOADER_KEYS = (
    "batch_size",
    "num_workers",
    "persistent_workers",
    "pin_memory",
    "prefetch_factor",
    "drop_last",
    "sampler",
    "collate_fn",
    "dataset",
)
# MMCV's transforms that are the same as one of MMPose's.
_NAMES = {"RandomChoiceResize": "BottomupRandomChoiceResize"}
_STORAGES = ("backend_args", "file_client_args")


def steps_of(dataset: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the pipeline of a dataset."""
    return list(dataset.get("pipeline") or [])


def encoding_step(pipeline: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """Return the step of a pipeline that makes targets."""
    return next((step for step in pipeline if type_name(step) in _ENCODING), None)


def translate_pipeline(
    pipeline: Sequence[Mapping[str, Any]], findings: Findings
) -> list[dict[str, Any]]:
    """Return the steps of a pipeline without those that raypose does on the device.

    Args:
        pipeline: MMPose's steps.
        findings: gets what is left out.
    """
    steps = []
    encoded = False
    for step in pipeline:
        kind = type_name(step)
        encoded |= kind in _ENCODING
        if kind in (*_ENCODING, *_PACKING):
            continue
        step = _renamed(_without_storage(cleaned(step), findings))
        steps.append(_flip_before_encoding(step, findings) if encoded else step)
    return steps


def translate_split(
    loader: Mapping[str, Any], data_root: str | None, findings: Findings, where: str
) -> dict[str, Any]:
    """Return `data.train` or `data.val`.

    Args:
        loader: MMPose's dataloader.
        data_root: that of the config.
        findings: gets what is left out or refused.
        where: name of the dataloader.

    Returns:
        `dataset`, `pipeline`, which begins with the steps of parts of a combined dataset, and
        perhaps `sample_ratio_factor`.
    """
    findings.refuse_others(where, loader, _LOADER_KEYS)
    _sampling(loader, findings, where)
    dataset, first_steps = translate_dataset(loader["dataset"], data_root, findings, where)
    first = [
        {
            "type": "ForDatasets",
            "positions": positions,
            "transforms": translate_pipeline(steps, findings),
        }
        for positions, steps in first_steps
    ]
    split = {
        "dataset": dataset,
        "pipeline": [*first, *translate_pipeline(steps_of(loader["dataset"]), findings)],
    }
    shares = loader["dataset"].get("sample_ratio_factor")
    if shares is not None and len(shares) != len(loader["dataset"]["datasets"]):
        findings.refuse(f"{where}.dataset.sample_ratio_factor", "one number for each part expected")
    elif shares is not None:
        split["sample_ratio_factor"] = shares_of_parts(loader["dataset"], shares)
    return split


def _sampling(loader: Mapping[str, Any], findings: Findings, where: str) -> None:
    """Compare how samples are drawn with how raypose draws them."""
    sampler = loader.get("sampler") or {"type": "DefaultSampler"}
    training = where == "train_dataloader"
    if type_name(sampler) != "DefaultSampler":
        findings.refuse(f"{where}.sampler", f"raypose has no '{type_name(sampler)}'")
    elif training and sampler.get("shuffle") is False:
        findings.note("training samples are shuffled (the config's sampler does not)")
    if training and loader.get("drop_last"):
        findings.note("the last batch of an epoch is filled up (the config drops it)")
    collate = loader.get("collate_fn")
    name = type_name(collate) if isinstance(collate, Mapping) else str(collate).rsplit(".", 1)[-1]
    if collate is not None and name != "pseudo_collate":
        findings.refuse(f"{where}.collate_fn", f"raypose has no '{name}'")


def _without_storage(step: dict[str, Any], findings: Findings) -> dict[str, Any]:
    """Leave out where files are read from: raypose reads paths."""
    if "pre_transform" in step:
        step["pre_transform"] = [_without_storage(s, findings) for s in step["pre_transform"]]
    for key in _STORAGES:
        if key in step:
            backend = (step.pop(key) or {}).get("backend")
            if backend not in (None, "local", "disk"):
                findings.note(f"files are read from paths and not through '{backend}'")
    return step


def _renamed(value: Any) -> Any:
    """Return steps with raypose's names for MMCV's transforms."""
    if isinstance(value, list):
        return [_renamed(item) for item in value]
    if isinstance(value, Mapping):
        return {
            key: _NAMES.get(item, item) if key == "type" else _renamed(item)
            for key, item in value.items()
        }
    return value


def _flip_before_encoding(step: dict[str, Any], findings: Findings) -> dict[str, Any]:
    """Return what a step that changes encoded targets is before they are made.

    MotionBERT mirrors keypoints and targets when they are scaled to the middle of the image.
    """
    about_zero = {"center_mode": "static", "center_x": 0.0}
    configs = (step.get("keypoints_flip_cfg"), step.get("target_flip_cfg"))
    if step["type"] == "RandomFlipAroundRoot" and step.get("flip_label"):
        if configs != (about_zero, about_zero):
            findings.refuse("RandomFlipAroundRoot", "flip_label about another center than 0")
        kept = {key: value for key, value in step.items() if key != "flip_label"}
        return {**kept, "keypoints_flip_cfg": {"center_mode": "image"}, "flip_camera": True}
    return step
