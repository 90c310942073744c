"""Codecs written plainly: one instance, one keypoint at a time, NumPy and OpenCV.

What the batched codecs are timed against. K keypoints, H and W; cells and bins as in the codecs.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch
import torch.nn.functional as F

from raypose.ops.tag_grouping import group_by_tags

Array = np.ndarray


def encode_gaussian(points: Array, size: tuple[int, int], sigma: float, kind: str) -> Array:
    """Heatmaps (K, H, W) of points (K, 2); `kind` is msra, dark or udp."""
    W, H = size
    heatmaps = np.zeros((len(points), H, W), np.float32)
    for heatmap, point in zip(heatmaps, points, strict=True):
        if kind == "dark":
            x, y = np.arange(W), np.arange(H)[:, None]
            distance = (x - point[0]) ** 2 + (y - point[1]) ** 2
            heatmap[:] = np.exp(-distance / (2 * sigma**2))
            continue
        cell = (point + 0.5).astype(int)
        radius = int(3 * sigma)
        left, top = np.maximum(cell - radius, 0)
        right, bottom = np.minimum(cell + radius + 1, [W, H])
        if left >= right or top >= bottom:
            continue
        center = cell if kind == "msra" else point
        x, y = np.arange(left, right), np.arange(top, bottom)[:, None]
        distance = (x - center[0]) ** 2 + (y - center[1]) ** 2
        heatmap[top:bottom, left:right] = np.exp(-distance / (2 * sigma**2))
    return heatmaps


def encode_offsets(points: Array, size: tuple[int, int], radius: float) -> Array:
    """Discs and offsets (3K, H, W) of points (K, 2)."""
    W, H = size
    heatmaps = np.zeros((len(points), 3, H, W), np.float32)
    x, y = np.arange(W), np.arange(H)[:, None]
    for maps, point in zip(heatmaps, points, strict=True):
        dx, dy = (point[0] - x) / radius, (point[1] - y) / radius
        maps[0] = np.where(dx**2 + dy**2 <= 1, 1.0, 0.0)
        maps[1], maps[2] = dx, dy
    return heatmaps.reshape(-1, H, W)


def encode_simcc(points: Array, bins: tuple[int, int], sigma: Sequence[float]) -> list[Array]:
    """Vectors (K, Wx) and (K, Wy) of points (K, 2) in bins."""
    labels = []
    for axis, length in enumerate(bins):
        vectors = np.zeros((len(points), length), np.float32)
        steps = np.arange(length, dtype=np.float32)
        for vector, point in zip(vectors, np.round(points), strict=True):
            vector[:] = np.exp(-((steps - point[axis]) ** 2) / (2 * sigma[axis] ** 2))
        labels.append(vectors)
    return labels


def peaks(heatmaps: Array) -> tuple[Array, Array]:
    """Cells (K, 2) and values (K,) of the maxima."""
    K, _, W = heatmaps.shape
    index = heatmaps.reshape(K, -1).argmax(axis=1)
    return np.stack([index % W, index // W], -1).astype(np.float32), heatmaps.reshape(K, -1).max(1)


def blurred(heatmap: Array, kernel: int) -> Array:
    """Blur one map with zeros beyond the border and keep its maximum."""
    border = kernel // 2
    padded = cv2.copyMakeBorder(heatmap, border, border, border, border, cv2.BORDER_CONSTANT)
    padded = cv2.GaussianBlur(padded, (kernel, kernel), 0)
    inner = padded[border:-border, border:-border]
    return inner * (heatmap.max() / inner.max())


def decode_quarter(heatmaps: Array) -> tuple[Array, Array]:
    """Maxima moved by a quarter cell."""
    points, scores = peaks(heatmaps)
    H, W = heatmaps.shape[1:]
    for heatmap, point in zip(heatmaps, points, strict=True):
        x, y = point.astype(int)
        if 1 < x < W - 1 and 0 < y < H:
            point[0] += 0.25 * np.sign(heatmap[y, x + 1] - heatmap[y, x - 1])
        if 1 < y < H - 1 and 0 < x < W:
            point[1] += 0.25 * np.sign(heatmap[y + 1, x] - heatmap[y - 1, x])
    return points, scores


def decode_newton(heatmaps: Array, kernel: int, wide: bool) -> tuple[Array, Array]:
    """Maxima moved by a Newton step on the blurred logarithm; `wide` as DARK, else as UDP."""
    points, scores = peaks(heatmaps)
    step = 2 if wide else 1
    for heatmap, point in zip(heatmaps, points, strict=True):
        logs = np.log(np.clip(blurred(heatmap, kernel), 1e-10 if wide else 1e-3, 50))
        p = cv2.copyMakeBorder(logs, 2, 2, 2, 2, cv2.BORDER_REPLICATE)
        x, y = point.astype(int) + 2
        dx, dy = (p[y, x + 1] - p[y, x - 1]) / 2, (p[y + 1, x] - p[y - 1, x]) / 2
        dxx = (p[y, x + step] - 2 * p[y, x] + p[y, x - step]) / step**2
        dyy = (p[y + step, x] - 2 * p[y, x] + p[y - step, x]) / step**2
        dxy = (p[y + 1, x + 1] - p[y - 1, x + 1] - p[y + 1, x - 1] + p[y - 1, x - 1]) / 4
        hessian = np.array([[dxx, dxy], [dxy, dyy]]) + np.eye(2) * 1e-7
        point -= np.linalg.solve(hessian, np.array([dx, dy]))
    return points, scores


def decode_offsets(heatmaps: Array, kernel: int, radius: float) -> tuple[Array, Array]:
    """Maxima of the blurred discs moved by the offsets there."""
    classes = np.stack([cv2.GaussianBlur(m, (kernel, kernel), 0) for m in heatmaps[::3]])
    points, scores = peaks(classes)
    for k, point in enumerate(points):
        x, y = point.astype(int)
        point += heatmaps[3 * k + 1 : 3 * k + 3, y, x] * radius
    return points, scores


def decode_simcc(vectors: Sequence[Array], kernels: Sequence[int] | None) -> tuple[Array, Array]:
    """Maxima of vectors (K, W) in x and y, with a Newton step where `kernels` are given."""
    points = np.stack([v.argmax(axis=1) for v in vectors], axis=-1).astype(np.float32)
    scores = np.minimum(*(v.max(axis=1) for v in vectors))
    for axis, kernel in enumerate(kernels or ()):
        for k, vector in enumerate(vectors[axis]):
            padded = np.zeros((1, len(vector) + kernel - 1), np.float32)
            padded[0, kernel // 2 : -(kernel // 2)] = vector
            smooth = cv2.GaussianBlur(padded, (kernel, 1), 0)[:, kernel // 2 : -(kernel // 2)]
            logs = np.log(np.clip(smooth * (vector.max() / smooth.max()), 1e-3, 50))
            p = cv2.copyMakeBorder(logs, 0, 0, 2, 2, cv2.BORDER_REPLICATE)[0]
            at = int(points[k, axis]) + 2
            slope, curvature = (p[at + 1] - p[at - 1]) / 2, (p[at + 2] - 2 * p[at] + p[at - 2]) / 4
            points[k, axis] -= slope / (curvature + 1e-9)
    return points, scores


def decode_tags(heatmaps: Array, tags: Array, order: Sequence[int]) -> tuple[Array, Array]:
    """People (N, K, 2) and scores (N, K) of heatmaps (K, H, W) with tags (K, H, W)."""
    K, _, W = heatmaps.shape
    maps = torch.from_numpy(heatmaps)
    peak_maps = maps * (maps == F.max_pool2d(maps[None], 5, 1, 2)[0])
    values, index = peak_maps.flatten(1).topk(30)
    cells = np.stack([index.numpy() % W, index.numpy() // W], axis=-1)
    candidate_tags = np.take_along_axis(tags.reshape(K, -1), index.numpy(), axis=1)[..., None]
    people, scores = group_by_tags(values.numpy(), candidate_tags, cells, order, 0.1)
    for points, found in zip(people, scores, strict=True):
        own = [tags[k, int(y), int(x)] for k, (x, y) in enumerate(points) if found[k] > 0]
        for k in range(K):
            if found[k] > 0:
                continue
            cost = np.round(np.abs(tags[k] - np.mean(own))) * 100 - heatmaps[k]
            y, x = np.unravel_index(cost.argmin(), cost.shape)
            points[k], found[k] = (x, y), heatmaps[k, y, x]
    return people, scores
