"""Time the batched codecs against plain loops over instances and keypoints.

    OMP_NUM_THREADS=1 taskset -c 1 python tests/benchmarks/codecs.py [--rounds 5] [--only simcc]

Prints milliseconds for each instance (for associative embedding: each image) on one thread, the
least of all calls, and how many times faster than the reference (x ref) and the plain loop
(x loop) raypose is. The plain loop runs in the same process on the same inputs; the figures of
the reference are those below, of another machine.

Each is measured in two ways. In a row: groups of calls of one side, the sides in turn, so that
none finds the caches of the other. Between other work: each call after a matrix product, as both
are used: raypose on a batch once in a train step, the loop on one instance between the decoding of
two images. There encode is bound by memory: half of its time or more is what memset() takes for
the targets. Batches are such that a target stays below the 32 MB from which malloc() asks the
system for fresh pages at every call.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2])]

import plain_codecs as plain  # noqa: E402

from raypose.registry import CODECS  # noqa: E402

# Name, instances, raypose on all of them, the plain codec on instance i.
Case = tuple[str, int, Callable[[], Any], Callable[[int], Any]]

# Milliseconds for each instance of MMPose 1.3.2 on one thread of a two-core AMD EPYC (Zen 3),
# and how many times faster raypose is meant to be.
REFERENCE: dict[str, tuple[float, float | None]] = {
    "MSRA 17 encode": (0.353, 8),
    "MSRA 17 decode": (0.210, 5),
    "DARK 17 encode": (0.395, 8),
    "DARK 17 decode": (1.379, 8),
    "DARK 133 encode": (4.51, 8),
    "DARK 133 decode": (14.5, 8),
    "UDP 17 encode": (0.433, 8),
    "UDP 17 decode": (1.060, 8),
    "UDP combined 17 encode": (0.401, 2),
    "UDP combined 17 decode": (0.513, 2),
    "SimCC 17 encode": (0.446, 8),
    "SimCC 17 decode": (0.040, 2),
    "SimCC dark 17 encode": (0.418, 8),
    "SimCC dark 17 decode": (1.207, 4),
    "SimCC 133 encode": (5.0, 8),
    "SimCC 133 decode": (0.134, 2),
    "SimCC dark 133 encode": (7.0, 8),
    "SimCC dark 133 decode": (15.3, 4),
    "AE 2 people encode": (1.07, 8),
    "AE 2 people decode": (25.1, 3),
    "AE 10 people encode": (4.48, 8),
    "AE 10 people decode": (32.3, None),
}
GROUP_SECONDS = 0.04
OTHER = torch.rand(1024, 1024)


def heatmap_cases(name: str, cfg: dict[str, Any], B: int, K: int) -> list[Case]:
    """Encode and decode of one heatmap codec."""
    codec = CODECS.build({"input_size": [192, 256], "heatmap_size": [48, 64], **cfg})
    W, H = codec.heatmap_size
    points = np.random.default_rng(0).uniform(20, 150, (B, 1, K, 2)).astype(np.float32)
    cells = points[:, 0] / codec.scale_factor
    tensor = torch.from_numpy(points)
    targets = codec.encode(tensor)["heatmaps"]
    noise = np.random.default_rng(1).uniform(0, 0.01, targets.shape).astype(np.float32)
    outputs = targets + torch.from_numpy(noise)
    arrays = outputs.numpy()
    if cfg.get("heatmap_type") == "combined":
        radius, kernel = codec.radius_factor * max(W, H), 2 * codec.blur_kernel_size + 1
        encode = lambda i: plain.encode_offsets(cells[i], (W, H), radius)  # noqa: E731
        decode = lambda i: plain.decode_offsets(arrays[i], kernel, radius)  # noqa: E731
    else:
        wide = bool(cfg.get("unbiased"))
        kind = "dark" if wide else "udp" if cfg["type"] == "UDPHeatmap" else "msra"
        size = codec.blur_kernel_size
        encode = lambda i: plain.encode_gaussian(cells[i], (W, H), codec.sigma, kind)  # noqa: E731
        if kind == "msra":
            decode = lambda i: plain.decode_quarter(arrays[i])  # noqa: E731
        else:
            decode = lambda i: plain.decode_newton(arrays[i], size, wide)  # noqa: E731
    return [
        (f"{name} encode", B, lambda: codec.encode(tensor), encode),
        (f"{name} decode", B, lambda: codec.decode(outputs), decode),
    ]


def simcc_cases(name: str, cfg: dict[str, Any], B: int, K: int) -> list[Case]:
    """Encode and decode of SimCC."""
    codec = CODECS.build({"type": "SimCCLabel", "sigma": [4.9, 5.66], "normalize": False, **cfg})
    points = np.random.default_rng(0).uniform(20, 150, (B, 1, K, 2)).astype(np.float32)
    tensor = torch.from_numpy(points)
    labels = codec.encode(tensor)
    outputs = [labels["keypoint_x_labels"][:, 0], labels["keypoint_y_labels"][:, 0]]
    arrays = list(zip(*(values.numpy() for values in outputs), strict=True))
    kernels = (29, 35) if codec.use_dark else None
    bins = points[:, 0] * codec.simcc_split_ratio
    return [
        (
            f"{name} encode",
            B,
            lambda: codec.encode(tensor),
            lambda i: plain.encode_simcc(bins[i], codec.simcc_size, codec.sigma),
        ),
        (
            f"{name} decode",
            B,
            lambda: codec.decode(outputs),
            lambda i: plain.decode_simcc(arrays[i], kernels),
        ),
    ]


def tag_cases(people: int, B: int = 16, K: int = 17) -> list[Case]:
    """Encode and decode of associative embedding."""
    order = [0, 1, 2, 3, 4, 5, 6, 11, 12, 7, 8, 9, 10, 13, 14, 15, 16]
    codec = CODECS.build(
        {
            "type": "AssociativeEmbedding",
            "input_size": [512, 512],
            "heatmap_size": [128, 128],
            "decode_keypoint_order": order,
        }
    )
    rng = np.random.default_rng(people)
    points = rng.uniform(60, 450, (B, people, 1, 2)) + rng.normal(0, 40, (B, people, K, 2))
    tensor = torch.from_numpy(points.astype(np.float32))
    visible = torch.from_numpy((rng.random((B, people, K)) > 0.15).astype(np.float32))
    targets = codec.encode(tensor, visible)
    heatmaps = targets["heatmaps"] + 0.01 * torch.rand(targets["heatmaps"].shape)
    tags = torch.full(heatmaps.shape, -20.0)
    for person in range(people):
        drawn = codec.encode(tensor[:, person : person + 1], visible[:, person : person + 1])
        tags[drawn["heatmaps"] > 0.1] = 3.0 * person
    arrays = list(zip(heatmaps.numpy(), tags.numpy(), strict=True))
    cells = points / 4

    def encode(i: int) -> np.ndarray:
        maps = [plain.encode_gaussian(p, (128, 128), codec.sigma, "msra") for p in cells[i]]
        return np.maximum.reduce(maps)

    name = f"AE {people} people"
    return [
        (f"{name} encode", B, lambda: codec.encode(tensor, visible), encode),
        (
            f"{name} decode",
            B,
            lambda: codec.decode((heatmaps, tags)),
            lambda i: plain.decode_tags(*arrays[i], order),
        ),
    ]


def cases(batch: int) -> list[Case]:
    """All of them."""
    large = {"input_size": [288, 384], "heatmap_size": [72, 96]}
    msra, udp = {"type": "MSRAHeatmap", "sigma": 2}, {"type": "UDPHeatmap", "sigma": 2}
    dark = {**msra, "unbiased": True}
    k17 = {**dark, **large, "sigma": 3, "blur_kernel_size": 17}
    body, whole = {"input_size": [192, 256]}, {"input_size": [288, 384]}
    return [
        *heatmap_cases("MSRA 17", msra, batch, 17),
        *heatmap_cases("DARK 17", dark, batch, 17),
        *heatmap_cases("DARK 133", k17, max(batch // 16, 1), 133),
        *heatmap_cases("UDP 17", udp, batch, 17),
        *heatmap_cases(
            "UDP combined 17", {**udp, "heatmap_type": "combined"}, max(batch // 4, 1), 17
        ),
        *simcc_cases("SimCC 17", body, batch, 17),
        *simcc_cases("SimCC dark 17", {**body, "use_dark": True}, batch, 17),
        *simcc_cases("SimCC 133", whole, max(batch // 4, 1), 133),
        *simcc_cases("SimCC dark 133", {**whole, "use_dark": True}, max(batch // 4, 1), 133),
        *tag_cases(2),
        *tag_cases(10),
    ]


def milliseconds(function: Callable[[], Any]) -> float:
    """Time one call."""
    start = time.perf_counter()
    function()
    return 1000 * (time.perf_counter() - start)


def in_a_row(function: Callable[[], Any]) -> float:
    """Return the least time of a call in a group of them, the first of which warms up."""
    function()
    end = time.perf_counter() + GROUP_SECONDS
    least = milliseconds(function)
    while time.perf_counter() < end:
        least = min(least, milliseconds(function))
    return least


def between_work(function: Callable[[], Any]) -> float:
    """Return the least time of three calls, each after work on 12 MB of other memory."""
    least = float("inf")
    for _ in range(3):
        torch.relu(OTHER @ OTHER)
        least = min(least, milliseconds(function))
    return least


def measure(case: Case, rounds: int) -> list[tuple[float, float]]:
    """Return milliseconds (plain, raypose) for each instance, in a row and between other work."""
    _, B, ours, plain_one = case
    pairs = []
    for least, number in ((in_a_row, B), (between_work, 1)):
        loop = lambda number=number: [plain_one(i) for i in range(number)]  # noqa: E731
        taken = [(least(loop), least(ours)) for _ in range(rounds)]
        slow, fast = (min(column) for column in zip(*taken, strict=True))
        pairs.append((slow / number, fast / B))
    return pairs


def main() -> None:
    """Print the table, and the rows that are nearest to their bars or farthest below."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--only", default="", help="only names with this in them")
    options = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    part = f"{'loop':>9}{'raypose':>9}{'x ref':>7}{'x loop':>7}"
    print(f"{'':<40}{'in a row':>32}{'between other work':>32}")
    print(f"{'ms for each instance':<24}{'bar':>6}{'reference':>10}{part}{part}")
    margins: dict[str, list[tuple[float, str]]] = {"in a row": [], "between other work": []}
    for case in cases(options.batch):
        name = case[0]
        if options.only.lower() not in name.lower():
            continue
        reference, bar = REFERENCE[name]
        line = f"{name:<24}{'-' if bar is None else f'{bar:g}x':>6}{reference:>10.3f}"
        for rows, (slow, fast) in zip(margins.values(), measure(case, options.rounds), strict=True):
            line += f"{slow:>9.4f}{fast:>9.4f}{reference / fast:>7.1f}{slow / fast:>7.1f}"
            if bar is not None:
                rows.append((max(reference, slow) / fast / bar, name))
        print(line, flush=True)
    for manner, rows in margins.items():
        if rows:
            margin, name = min(rows)
            print(f"weakest {manner}: {name}, {margin:.2f} of its bar by the better ratio")


if __name__ == "__main__":
    main()
