"""From one skeleton's keypoints to another's (NumPy).

A mapping is a list of [source, target] indices, where a source may also be a pair whose middle is
taken. N instances, K keypoints of the source and M of the target.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from raypose.errors import RayposeError, did_you_mean

KeypointMapping = Sequence[Sequence[int]]
KeypointPairMapping = Sequence[Sequence["int | Sequence[int]"]]

# Human3.6M keypoint -> {source keypoint: share}, for every skeleton that can be converted. The
# spine (7) is the middle of pelvis (0) and thorax (8).
_COCO_TO_H36M: dict[int, dict[int, float]] = {
    0: {11: 0.5, 12: 0.5},
    1: {12: 1},
    2: {14: 1},
    3: {16: 1},
    4: {11: 1},
    5: {13: 1},
    6: {15: 1},
    7: {11: 0.25, 12: 0.25, 5: 0.25, 6: 0.25},
    8: {5: 0.5, 6: 0.5},
    9: {0: 1},
    10: {1: 0.5, 2: 0.5},
    11: {5: 1},
    12: {7: 1},
    13: {9: 1},
    14: {6: 1},
    15: {8: 1},
    16: {10: 1},
}
_AIC_TO_H36M: dict[int, dict[int, float]] = {
    0: {6: 0.5, 9: 0.5},
    1: {6: 1},
    2: {7: 1},
    3: {8: 1},
    4: {9: 1},
    5: {10: 1},
    6: {11: 1},
    7: {0: 0.25, 3: 0.25, 6: 0.25, 9: 0.25},
    8: {0: 0.5, 3: 0.5},
    9: {13: 3 / 4, 12: 1 / 4},
    10: {13: 5 / 12, 12: 7 / 12},
    11: {3: 1},
    12: {4: 1},
    13: {5: 1},
    14: {0: 1},
    15: {1: 1},
    16: {2: 1},
}
_CROWDPOSE_TO_H36M: dict[int, dict[int, float]] = {
    0: {6: 0.5, 7: 0.5},
    1: {7: 1},
    2: {9: 1},
    3: {11: 1},
    4: {6: 1},
    5: {8: 1},
    6: {10: 1},
    7: {0: 0.25, 1: 0.25, 6: 0.25, 7: 0.25},
    8: {0: 0.5, 1: 0.5},
    9: {13: 3 / 4, 12: 1 / 4},
    10: {13: 5 / 12, 12: 7 / 12},
    11: {0: 1},
    12: {2: 1},
    13: {4: 1},
    14: {1: 1},
    15: {3: 1},
    16: {5: 1},
}
_TO_H36M: Mapping[str, dict[int, dict[int, float]]] = {
    "coco": _COCO_TO_H36M,
    "posetrack18": _COCO_TO_H36M,
    "aic": _AIC_TO_H36M,
    "crowdpose": _CROWDPOSE_TO_H36M,
    "h36m": {index: {index: 1} for index in range(17)},
}


def convert_keypoints(
    keypoints: np.ndarray,
    keypoints_visible: np.ndarray,
    num_keypoints: int,
    mapping: KeypointPairMapping,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rearrange annotated keypoints for another skeleton.

    Args:
        keypoints: (N, K, D).
        keypoints_visible: (N, K).
        num_keypoints: M, keypoints of the target.
        mapping: [source, target] or [[source, source], target]; a pair gives the mean position
            and the product of the visibilities.

    Returns:
        Keypoints (N, M, D) and visibility (N, M), 0 where nothing is mapped, and weights (N, M),
        1 for mapped keypoints and 0 for others.
    """
    N, _, D = keypoints.shape
    converted = np.zeros((N, num_keypoints, D), keypoints.dtype)
    visible = np.zeros((N, num_keypoints), keypoints_visible.dtype)
    weights = np.zeros((N, num_keypoints), keypoints_visible.dtype)
    if len(mapping):
        pairs = [np.broadcast_to(np.asarray(source), (2,)) for source, _ in mapping]
        first, second = np.stack(pairs, axis=1)
        target = np.array([index for _, index in mapping])
        converted[:, target] = (keypoints[:, first] + keypoints[:, second]) / 2
        visible[:, target] = np.where(
            first == second,
            keypoints_visible[:, first],
            keypoints_visible[:, first] * keypoints_visible[:, second],
        )
        weights[:, target] = 1
    return converted, visible, weights


def map_keypoints(
    keypoints: np.ndarray, scores: np.ndarray, num_keypoints: int, mapping: KeypointMapping
) -> tuple[np.ndarray, np.ndarray]:
    """Rearrange predicted keypoints for another skeleton.

    Args:
        keypoints: (N, K, D).
        scores: (N, K).
        num_keypoints: M, keypoints of the target.
        mapping: [source, target] indices.

    Returns:
        Keypoints (N, M, D) and scores (N, M), 0 where nothing is mapped.
    """
    source, target = _columns(mapping)
    mapped = np.zeros((len(keypoints), num_keypoints, keypoints.shape[2]), keypoints.dtype)
    mapped_scores = np.zeros((len(scores), num_keypoints), scores.dtype)
    mapped[:, target] = keypoints[:, source]
    mapped_scores[:, target] = scores[:, source]
    return mapped, mapped_scores


def map_sigmas(
    sigmas: np.ndarray | Sequence[float], num_keypoints: int, mapping: KeypointMapping
) -> np.ndarray:
    """Rearrange OKS sigmas for another skeleton.

    Args:
        sigmas: (K,).
        num_keypoints: M, keypoints of the target.
        mapping: [source, target] indices.

    Returns:
        (M,), 1 where nothing is mapped.
    """
    source, target = _columns(mapping)
    mapped = np.ones(num_keypoints, np.float64)
    mapped[target] = np.asarray(sigmas)[source]
    return mapped


def keypoints_to_h36m(keypoints: np.ndarray, source: str) -> np.ndarray:
    """Bring 2D keypoints into the order of Human3.6M, as lifters expect them.

    The order is pelvis, right hip, knee, ankle, left hip, knee, ankle, spine, thorax, neck base,
    head, left shoulder, elbow, wrist, right shoulder, elbow, wrist. Joints a skeleton lacks are
    put between those it has.

    Args:
        keypoints: (N, K, D).
        source: skeleton of `keypoints`: `coco`, `posetrack18`, `aic`, `crowdpose` or `h36m`.

    Returns:
        (N, 17, D).

    Raises:
        RayposeError: if there is no conversion from `source`.
    """
    if source not in _TO_H36M:
        raise RayposeError(
            f"no conversion to Human3.6M from {source!r}, only from {', '.join(_TO_H36M)}."
            + did_you_mean(source, _TO_H36M)
        )
    joints = [
        sum(keypoints[:, index] * share for index, share in shares.items())
        for _, shares in sorted(_TO_H36M[source].items())
    ]
    return np.stack(joints, axis=1).astype(keypoints.dtype, copy=False)


def _columns(mapping: KeypointMapping) -> tuple[np.ndarray, np.ndarray]:
    """Source and target indices of a mapping."""
    columns = np.asarray(mapping, np.intp).reshape(-1, 2)
    return columns[:, 0], columns[:, 1]
