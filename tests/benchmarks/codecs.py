"""Time the batched codecs against plain loops over instances and keypoints.

    OMP_NUM_THREADS=1 python tests/benchmarks/codecs.py [--rounds 5] [--only simcc]

Prints milliseconds for each instance (for associative embedding: each image) on one thread, the
least of some rounds, both taken in turn. Batches are such that a target stays below the 32 MB
from which malloc() asks the system for fresh pages at every call.
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

Case = tuple[str, int, Callable[[], Any], Callable[[], Any]]  # name, instances, ours, plain


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
        encode = lambda: [plain.encode_offsets(c, (W, H), radius) for c in cells]  # noqa: E731
        decode = lambda: [plain.decode_offsets(a, kernel, radius) for a in arrays]  # noqa: E731
    else:
        wide = bool(cfg.get("unbiased"))
        kind = "dark" if wide else "udp" if cfg["type"] == "UDPHeatmap" else "msra"
        encode = lambda: [  # noqa: E731
            plain.encode_gaussian(c, (W, H), codec.sigma, kind) for c in cells
        ]
        if kind == "msra":
            decode = lambda: [plain.decode_quarter(a) for a in arrays]  # noqa: E731
        else:
            decode = lambda: [  # noqa: E731
                plain.decode_newton(a, codec.blur_kernel_size, wide) for a in arrays
            ]
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
            lambda: [plain.encode_simcc(b, codec.simcc_size, codec.sigma) for b in bins],
        ),
        (
            f"{name} decode",
            B,
            lambda: codec.decode(outputs),
            lambda: [plain.decode_simcc(a, kernels) for a in arrays],
        ),
    ]


def tag_cases(people: int, B: int = 8, K: int = 17) -> list[Case]:
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

    def encode() -> None:
        for sample in cells:
            maps = [plain.encode_gaussian(p, (128, 128), codec.sigma, "msra") for p in sample]
            np.maximum.reduce(maps)

    name = f"AE {people} people"
    return [
        (f"{name} encode", B, lambda: codec.encode(tensor, visible), encode),
        (
            f"{name} decode",
            B,
            lambda: codec.decode((heatmaps, tags)),
            lambda: [plain.decode_tags(h, t, order) for h, t in arrays],
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


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--only", default="", help="only names with this in them")
    options = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    print(f"{'ms for each instance':<26}{'plain':>10}{'raypose':>10}{'ratio':>8}")
    for name, number, ours, loop in cases(options.batch):
        if options.only.lower() not in name.lower():
            continue
        ours()
        rounds = [(milliseconds(ours), milliseconds(loop)) for _ in range(options.rounds)]
        fast, slow = (min(column) / number for column in zip(*rounds, strict=True))
        print(f"{name:<26}{slow:>10.4f}{fast:>10.4f}{slow / fast:>8.1f}", flush=True)


if __name__ == "__main__":
    main()
