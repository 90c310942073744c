"""Grouping of keypoint candidates into instances by their tags (NumPy and SciPy).

K keypoints, M candidates of each, L numbers in a tag, G groups found.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

Floats = npt.NDArray[np.float32]

_NO_GROUP = 1e10  # cost of a column that stands for a new group


def group_by_tags(
    values: Floats,
    tags: Floats,
    locations: npt.NDArray[np.generic],
    keypoint_order: Sequence[int],
    value_thr: float,
    tag_thr: float = 1.0,
    max_groups: int | None = None,
) -> tuple[Floats, Floats]:
    """Group the candidates of one image.

    "Associative Embedding: End-to-End Learning for Joint Detection and Grouping",
    https://arxiv.org/abs/1611.05424. Keypoint after keypoint, candidates are assigned to the
    groups so far at the least sum of rounded tag distances; those too far from theirs begin new
    groups.

    Args:
        values: (K, M) responses.
        tags: (K, M, L).
        locations: (K, M, 2) cells.
        keypoint_order: the K keypoints, those seen best first.
        value_thr: candidates with a response above it count.
        tag_thr: distance below which a candidate joins a group.
        max_groups: how many groups are kept, all if None.

    Returns:
        Cells (G, K, 2) and responses (G, K), both 0 where a group lacks a keypoint; groups in the
        order in which they began.
    """
    K, _, L = tags.shape
    most = int((values > value_thr).sum())
    found = np.zeros((most, K, 3), np.float32)
    tag_sums, tag_counts = np.zeros((most, L), np.float32), np.zeros((most, 1), np.float32)
    groups: dict[float, int] = {}  # by the tag that began it: equal tags share a group

    for k in keypoint_order:
        kept = values[k] > value_thr
        # In double precision ties stay ties, and the assignment does not hang on rounding.
        responses, own_tags = values[k][kept].astype(np.float64), tags[k][kept]
        candidates = np.column_stack([locations[k][kept], responses])
        known = len(groups)
        if known and len(candidates):
            means = tag_sums[:known] / tag_counts[:known]
            distances = np.linalg.norm(own_tags[:, None].astype(np.float64) - means, axis=2)
            columns = _assign(np.round(distances) * 100 - responses[:, None])
        else:
            distances, columns = np.zeros((len(candidates), 0)), [known] * len(candidates)
        for row, column in enumerate(columns):
            if column < known and distances[row, column] < tag_thr:
                group = column
                tag_sums[group] += own_tags[row]
                tag_counts[group] += 1
            else:
                group = groups.setdefault(float(own_tags[row, 0]), len(groups))
                tag_sums[group], tag_counts[group] = own_tags[row], 1
            found[group, k] = candidates[row]
    found = found[: len(groups)][:max_groups]
    return found[..., :2], found[..., 2]


def _assign(cost: npt.NDArray[np.float64]) -> list[int]:
    """Column of each row at the least total cost; one beyond the last where rows are left over.

    Often several assignments cost the same. As in the reference, rows first take the best column
    that is still free, and only the rows that find none move others.
    """
    rows, columns = cost.shape
    if rows > columns:
        spare = np.full((rows, rows - columns), _NO_GROUP)
        cost = np.concatenate([cost, spare], axis=1)
    free = np.ones(cost.shape[1], bool)
    content, others = [], []
    for row, best in enumerate(cost == cost.min(axis=1, keepdims=True)):
        choices = np.flatnonzero(best & free)
        free[choices[:1]] = False
        (content if len(choices) else others).append(row)
    # SciPy serves rows in their order.
    order = content + others
    column_of = np.empty(rows, np.int64)
    column_of[order] = linear_sum_assignment(cost[order])[1]
    return column_of.tolist()
