"""From one skeleton's keypoints to another's (NumPy).

A mapping is a list of [source, target] indices, where a source may also be a pair whose middle is
taken. N instances, K keypoints of the source and M of the target.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

KeypointMapping = Sequence[Sequence[int]]
KeypointPairMapping = Sequence[Sequence["int | Sequence[int]"]]


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


def _columns(mapping: KeypointMapping) -> tuple[np.ndarray, np.ndarray]:
    """Source and target indices of a mapping."""
    columns = np.asarray(mapping, np.intp).reshape(-1, 2)
    return columns[:, 0], columns[:, 1]
