"""Options of models that MMPose's configs set and MMPose never uses; raypose refuses them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from raypose.config.mmpose_import.findings import Findings, type_name

# By class: the paths of its options.
_UNUSED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        # It trains nothing, so that the options of denoising have nothing to change.
        "EDPoseHead": (
            "decoder.num_dn",
            "decoder.num_feature_levels",
            "decoder.return_intermediate",
            "denosing_cfg.dn_attn_mask_type_list",
            "denosing_cfg.dn_box_noise_scale",
            "denosing_cfg.dn_label_noise_ratio",
        ),
        "BottomupPoseEstimator": ("test_cfg.Pmultiscale_test", "test_cfg.num_select"),
        # The length of a run is read from the runner.
        "DWPoseDistiller": ("train_cfg.max_epochs", "train_cfg.val_interval"),
    }
)


def without_unused_options(value: Any, findings: Findings) -> Any:
    """Return a part of a model without the options that MMPose never uses.

    Args:
        value: that of MMPose.
        findings: gets a note about each.
    """
    if isinstance(value, list):
        return [without_unused_options(item, findings) for item in value]
    if not isinstance(value, Mapping):
        return value
    kept = {key: without_unused_options(item, findings) for key, item in value.items()}
    kind = type_name(kept)
    for path in _UNUSED.get(kind, ()):
        section, name = path.split(".")
        options = kept.get(section)
        if isinstance(options, dict) and name in options:
            del options[name]
            findings.note(f"{kind}: {path} is left out; MMPose never uses it")
    size = kept.get("in_featuremap_size")
    if kind == "RTMW3DHead" and isinstance(size, list) and len(size) == 3:
        kept["in_featuremap_size"] = size[:2]
        findings.note(f"{kind}: in_featuremap_size is (w, h); MMPose never uses its third number")
    return kept
