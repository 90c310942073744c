"""Optimizer, schedules, hooks and the run itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from raypose.config.mmpose_import.data import steps_of, translate_pipeline
from raypose.config.mmpose_import.datasets import shares_of_parts
from raypose.config.mmpose_import.findings import Findings, cleaned, type_name

_WRAPPER_KEYS = (
    "type",
    "optimizer",
    "paramwise_cfg",
    "clip_grad",
    "constructor",
    "accumulative_counts",
    "loss_scale",
    "dtype",
)
_PARAMWISE_KEYS = (
    "norm_decay_mult",
    "bias_decay_mult",
    "bias_lr_mult",
    "dwconv_decay_mult",
    "flat_decay_mult",
    "custom_keys",
    "force_default_settings",
)
# Hooks of MMEngine whose work raypose's own loop does.
_OWN_WORK = (
    "IterTimerHook",
    "ParamSchedulerHook",
    "DistSamplerSeedHook",
    "SyncBuffersHook",
    "SyncNormHook",
    "RuntimeInfoHook",
)


def translate_optimizer(wrapper: Mapping[str, Any], findings: Findings) -> dict[str, Any]:
    """Return the sections `optimizer` and `train` that an `optim_wrapper` amounts to."""
    findings.refuse_others("optim_wrapper", wrapper, _WRAPPER_KEYS)
    train: dict[str, Any] = {}
    kind = type_name(wrapper) or "OptimWrapper"
    if kind == "AmpOptimWrapper":
        train["amp"] = "bf16" if wrapper.get("dtype") == "bfloat16" else "fp16"
    elif kind != "OptimWrapper":
        findings.refuse("optim_wrapper.type", f"raypose has no '{kind}'")
    clip = cleaned(wrapper.get("clip_grad"))
    if clip:
        findings.refuse_others("optim_wrapper.clip_grad", clip, ("max_norm", "norm_type"))
        train["clip_grad"] = clip
    if wrapper.get("accumulative_counts", 1) != 1:
        train["accumulate"] = wrapper["accumulative_counts"]
    optimizer = cleaned(wrapper["optimizer"])
    paramwise = _paramwise(wrapper, findings)
    if paramwise:
        optimizer["paramwise"] = paramwise
    return {"optimizer": optimizer, "train": train}


def translate_schedules(schedulers: Any, findings: Findings) -> list[dict[str, Any]]:
    """Return `schedules` from `param_scheduler`."""
    listed = [schedulers] if isinstance(schedulers, Mapping) else list(schedulers or [])
    schedules = [cleaned(item) for item in listed]
    for schedule in schedules:
        schedule.pop("verbose", None)
    return schedules


def translate_run(cfg: Mapping[str, Any], findings: Findings) -> dict[str, Any]:
    """Return what `train_cfg`, `randomness`, `load_from` and the batch size amount to."""
    run = dict(cfg.get("train_cfg") or {})
    findings.refuse_others(
        "train_cfg", run, ("by_epoch", "max_epochs", "val_interval", "val_begin", "type",
                           "dynamic_intervals")
    )  # fmt: skip
    if not run.get("by_epoch", True) or type_name(run) == "IterBasedTrainLoop":
        findings.refuse("train_cfg", "training by iterations has no counterpart in raypose")
    if run.get("dynamic_intervals"):
        findings.note(f"validated at one interval (dynamic_intervals {run['dynamic_intervals']})")
    if run.get("val_begin", 1) != 1:
        findings.note("validated from the start (val_begin is left out)")
    train: dict[str, Any] = {}
    if "max_epochs" in run:
        train["epochs"] = run["max_epochs"]
    train["val_interval"] = run.get("val_interval", 1)
    train.update(_batch_sizes(cfg, findings))
    seed = (cfg.get("randomness") or {}).get("seed")
    if seed is not None:
        train["seed"] = seed
    if cfg.get("load_from"):
        train["load_from"] = cfg["load_from"]
    return train


def translate_hooks(cfg: Mapping[str, Any], findings: Findings) -> dict[str, Any]:
    """Return the sections `train` and (for other data in the last epochs) `switch` of hooks."""
    train: dict[str, Any] = {}
    result: dict[str, Any] = {"train": train}
    for name, hook in (cfg.get("default_hooks") or {}).items():
        if hook is not None:
            _default_hook(name, hook, train, findings)
    for hook in cfg.get("custom_hooks") or []:
        kind = type_name(hook)
        if kind == "EMAHook":
            train["ema"] = _ema(hook, findings)
        elif kind == "PipelineSwitchHook":
            pipeline = translate_pipeline(hook["switch_pipeline"], findings)
            result["switch"] = {"epoch": hook["switch_epoch"], "pipeline": pipeline}
        elif kind == "YOLOXPoseModeSwitchHook":
            result["switch"] = _last_epochs(hook, cfg, findings)
            switched = {"epoch": result["switch"]["epoch"], "set": {"head.use_aux_loss": True}}
            train.setdefault("model_switches", []).append(switched)
        elif kind == "RTMOModeSwitchHook":
            train.setdefault("model_switches", []).extend(_head_attributes(hook))
        elif kind not in _OWN_WORK:
            findings.refuse("custom_hooks", f"raypose has no '{kind}'")
    if "model_switches" in train:
        train["model_switches"].sort(key=lambda switch: switch["epoch"])
    return result


def _last_epochs(
    hook: Mapping[str, Any], cfg: Mapping[str, Any], findings: Findings
) -> dict[str, Any]:
    """Return the switch to other data for the last epochs."""
    epochs = (cfg.get("train_cfg") or {})["max_epochs"]
    switch: dict[str, Any] = {"epoch": epochs - hook.get("num_last_epochs", 20)}
    whole = cfg["train_dataloader"]["dataset"]
    if hook.get("new_train_dataset") is not None:
        switch["sample_ratio_factor"] = _one_part(hook["new_train_dataset"], whole, findings)
    steps = hook.get("new_train_pipeline") or steps_of(whole)
    return {**switch, "pipeline": translate_pipeline(steps, findings)}


def _one_part(
    dataset: Mapping[str, Any], whole: Mapping[str, Any], findings: Findings
) -> list[float]:
    """Return the shares that leave only one part of a combined dataset."""
    parts = list(whole.get("datasets") or [])
    if dataset not in parts:
        findings.refuse(
            "YOLOXPoseModeSwitchHook.new_train_dataset",
            "raypose trains on parts of one CombinedDataset, and this is none of its parts",
        )
        return []
    return shares_of_parts(whole, [part == dataset for part in parts])


def _head_attributes(hook: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return attributes of the head that change, by the epoch that they change in."""
    return [
        {"epoch": int(epoch), "set": {f"head.{name}": value for name, value in values.items()}}
        for epoch, values in hook["epoch_attributes"].items()
    ]


def _paramwise(wrapper: Mapping[str, Any], findings: Findings) -> dict[str, Any]:
    given = dict(wrapper.get("paramwise_cfg") or {})
    # A shared parameter is in one group anyway.
    given.pop("bypass_duplicate", None)
    constructor = wrapper.get("constructor")
    if constructor == "LayerDecayOptimWrapperConstructor":
        # It looks at nothing else: matrices decay, vectors, biases and positions do not.
        ignored = sorted(set(given) - {"num_layers", "layer_decay_rate"})
        if ignored:
            findings.note(f"MMPose's layer-wise decay ignores paramwise_cfg {', '.join(ignored)}")
        return {
            "num_layers": given["num_layers"],
            "layer_decay_rate": given["layer_decay_rate"],
            "norm_decay_mult": 0,
            "bias_decay_mult": 0,
            "flat_decay_mult": 0,
            "custom_keys": {"pos_embed": {"decay_mult": 0}},
        }
    if constructor not in (None, "ForceDefaultOptimWrapperConstructor"):
        findings.refuse("optim_wrapper.constructor", f"raypose has no '{constructor}'")
    findings.refuse_others("optim_wrapper.paramwise_cfg", given, _PARAMWISE_KEYS)
    return cleaned(given)


def _batch_sizes(cfg: Mapping[str, Any], findings: Findings) -> dict[str, Any]:
    """Return batch sizes: MMPose gives those of one GPU, raypose that of all of them."""
    sizes: dict[str, Any] = {}
    loader = cfg.get("train_dataloader")
    scale = cfg.get("auto_scale_lr") or {}
    total = scale.get("base_batch_size")
    if total is not None:
        sizes["batch_size"] = total
        # MMEngine does not count `accumulative_counts`; the rate as written is for this recipe.
        together = (cfg.get("optim_wrapper") or {}).get("accumulative_counts", 1)
        sizes["auto_scale_lr"] = {
            "base_batch_size": total * together,
            "enable": bool(scale.get("enable", False)),
        }
    elif loader is not None:
        sizes["batch_size"] = loader["batch_size"]
        findings.note("batch_size is that of one GPU, the config does not say how many there were")
    val = cfg.get("val_dataloader")
    if val is not None:
        sizes["val_batch_size"] = val["batch_size"]
    return sizes


def _default_hook(
    name: str, hook: Mapping[str, Any], train: dict[str, Any], findings: Findings
) -> None:
    kind = type_name(hook)
    if name == "checkpoint":
        if hook.get("save_best") and hook["save_best"] != "auto":
            train["save_best"] = hook["save_best"]
        if hook.get("max_keep_ckpts", -1) > 0:
            train["max_checkpoints"] = hook["max_keep_ckpts"]
    elif name == "logger":
        train["log_every"] = hook.get("interval", 10)
    elif kind in ("PoseVisualizationHook", "BadCaseAnalysisHook"):
        if hook.get("enable"):
            findings.note(f"{kind} is left out; `raypose annotate --draw` draws results")
    elif kind not in _OWN_WORK:
        findings.refuse(f"default_hooks.{name}", f"raypose has no '{kind}'")


def _ema(hook: Mapping[str, Any], findings: Findings) -> dict[str, Any]:
    findings.refuse_others(
        "EMAHook",
        hook,
        ("type", "ema_type", "momentum", "gamma", "update_buffers", "priority", "strict_load"),
    )
    kind = str(hook.get("ema_type", "ExponentialMovingAverage")).rsplit(".", 1)[-1]
    if kind not in ("ExpMomentumEMA", "ExponentialMovingAverage"):
        findings.refuse("EMAHook.ema_type", f"raypose has no '{kind}'")
    ema: dict[str, Any] = {
        "momentum": hook.get("momentum", 0.0002),
        "update_buffers": hook.get("update_buffers", False),
    }
    ema["gamma"] = hook.get("gamma", 2000) if kind == "ExpMomentumEMA" else None
    return ema
