"""From any human skeleton's keypoints to the 17 joints of Human3.6M (NumPy).

Lifters expect these. What a skeleton lacks is put between keypoints it has; which ones, its
keypoints' names decide, so that a skeleton of one's own is served like a well-known one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from raypose.errors import RayposeError

Shares = Mapping[str, float]

_HIPS = {"left_hip": 0.5, "right_hip": 0.5}
_SHOULDERS = {"left_shoulder": 0.5, "right_shoulder": 0.5}
_TRUNK = {name: share / 2 for name, share in {**_HIPS, **_SHOULDERS}.items()}


def _top(name: str) -> tuple[Shares, Shares]:
    """Neck base and head, for a skeleton with the top of the head under this name."""
    return {"neck": 3 / 4, name: 1 / 4}, {"neck": 5 / 12, name: 7 / 12}


def _joints(neck: Shares, head: Shares) -> list[Shares]:
    def limb(side: str, *parts: str) -> list[Shares]:
        return [{f"{side}_{part}": 1.0} for part in parts]

    leg, arm = ("hip", "knee", "ankle"), ("shoulder", "elbow", "wrist")
    return [
        _HIPS,
        *limb("right", *leg),
        *limb("left", *leg),
        *(_TRUNK, _SHOULDERS, neck, head),
        *limb("left", *arm),
        *limb("right", *arm),
    ]


# One for each way in which skeletons know the head.
_RULES: tuple[list[Shares], ...] = (
    _joints({"nose": 1}, {"left_eye": 0.5, "right_eye": 0.5}),
    _joints({"nose": 1}, {"head_bottom": 0.5, "head_top": 0.5}),
    _joints(*_top("head_top")),
    _joints(*_top("top_head")),
)


def keypoints_to_h36m(keypoints: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """Bring 2D keypoints into the order of Human3.6M.

    The order is pelvis, right hip, knee, ankle, left hip, knee, ankle, spine, thorax, neck base,
    head, left shoulder, elbow, wrist, right shoulder, elbow, wrist.

    Args:
        keypoints: (N, K, D).
        names: K names of them. Hips, knees, ankles, shoulders, elbows and wrists must be there
            (`left_hip`, ...), and a head: the nose and both eyes (COCO), the nose and bottom and
            top of the head (PoseTrack18), or the neck and the top of the head (AI Challenger,
            CrowdPose, Leeds Sports).

    Returns:
        (N, 17, D).

    Raises:
        RayposeError: if keypoints are missing, naming them.
    """
    column = {name: index for index, name in enumerate(names)}
    joints = [
        sum(keypoints[:, column[name]] * share for name, share in shares.items())
        for shares in _shares(set(names))
    ]
    return np.stack(joints, axis=1).astype(keypoints.dtype, copy=False)


def _shares(names: set[str]) -> list[Shares]:
    """Return for each joint of Human3.6M the keypoints whose weighted sum it is."""
    missing = [sorted({name for joint in rule for name in joint} - names) for rule in _RULES]
    best = min(range(len(_RULES)), key=lambda index: len(missing[index]))
    if missing[best]:
        raise RayposeError(
            "these keypoints cannot be turned into the joints of Human3.6M; missing: "
            f"{', '.join(missing[best])}"
        )
    return _RULES[best]
