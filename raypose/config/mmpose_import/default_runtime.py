"""Variables of `mmpose.configs._base_.default_runtime`, which MMPose's releases leave out.

Configs of the newer style inherit from that module; a Git checkout of MMPose has it, a wheel does
not. It only says how the runner logs, so its values are fixed.
"""

from __future__ import annotations

from typing import Any

MODULE = "mmpose.configs._base_.default_runtime"


def default_runtime() -> dict[str, Any]:
    """Return the variables, classes as dotted names."""
    names = {
        "mmengine.hooks": [
            "CheckpointHook",
            "DistSamplerSeedHook",
            "IterTimerHook",
            "LoggerHook",
            "ParamSchedulerHook",
            "SyncBuffersHook",
        ],
        "mmengine.runner": ["LogProcessor"],
        "mmengine.visualization": ["LocalVisBackend"],
        "mmpose.engine.hooks": ["PoseVisualizationHook"],
        "mmpose.visualization": ["PoseLocalVisualizer"],
    }
    classes = {name: f"{module}.{name}" for module, listed in names.items() for name in listed}
    backends = [{"type": classes["LocalVisBackend"]}]
    return {
        **classes,
        "default_scope": None,
        "default_hooks": {
            "timer": {"type": classes["IterTimerHook"]},
            "logger": {"type": classes["LoggerHook"], "interval": 50},
            "param_scheduler": {"type": classes["ParamSchedulerHook"]},
            "checkpoint": {"type": classes["CheckpointHook"], "interval": 10},
            "sampler_seed": {"type": classes["DistSamplerSeedHook"]},
            "visualization": {"type": classes["PoseVisualizationHook"], "enable": False},
        },
        "custom_hooks": [{"type": classes["SyncBuffersHook"]}],
        "env_cfg": {
            "cudnn_benchmark": False,
            "mp_cfg": {"mp_start_method": "fork", "opencv_num_threads": 0},
            "dist_cfg": {"backend": "nccl"},
        },
        "vis_backends": backends,
        "visualizer": {
            "type": classes["PoseLocalVisualizer"],
            "vis_backends": backends,
            "name": "visualizer",
        },
        "log_processor": {
            "type": classes["LogProcessor"],
            "window_size": 50,
            "by_epoch": True,
            "num_digits": 6,
        },
        "log_level": "INFO",
        "load_from": None,
        "resume": False,
        "backend_args": {"backend": "local"},
        "train_cfg": {"by_epoch": True},
        "val_cfg": {},
        "test_cfg": {},
    }
