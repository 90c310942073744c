"""How long the evaluation of COCO's size takes: `CocoMetric` beside pycocotools.

    pip install pycocotools
    python tests/benchmarks/coco_evaluation.py [--images 2500] [--repeat 3]

Both get the same made-up people and predictions. pycocotools loads the results and evaluates what
is left after rescoring and suppression; `CocoMetric` starts from the predictions as an estimator
gives them, rescoring and suppression included. The numbers must be the same to the last digit.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from raypose.evaluation import CocoMetric
from raypose.structures import Poses, PoseSample, Skeleton

# COCO's validation set has about 2.5 people in an image that has some, a detector finds 7.5.
_PEOPLE, _FOUND = 2.48, 7.48


def people(images: int, seed: int = 0) -> list[tuple[PoseSample, Poses]]:
    """Return made-up images, each with its annotated people and what was predicted for it."""
    rng = np.random.default_rng(seed)
    made = []
    for number in range(images):
        n = max(1, rng.poisson(_PEOPLE))
        sizes = rng.uniform(40, 300, (n, 1))
        corners = rng.uniform(0, 340, (n, 2))
        points = corners[:, None] + rng.uniform(0, 1, (n, 17, 2)) * sizes[:, None]
        visible = (rng.uniform(0, 1, (n, 17)) < 0.7).astype(np.float32)
        found = max(1, rng.poisson(_FOUND))
        of = rng.integers(0, n, found)
        noise = rng.exponential(0.06, (found, 1, 1)) * sizes[of][:, None]
        predicted = points[of] + rng.normal(0, 1, (found, 17, 2)) * noise
        sample = PoseSample(
            id=str(number),
            index=number,
            img_id=number,
            bboxes=_box(points),
            areas=(sizes[:, 0] ** 2 * 0.5).astype(np.float32),
            keypoints=points.astype(np.float32),
            keypoints_visible=visible,
            meta={"iscrowd": np.zeros(n, np.int64), "category_id": np.ones(n, np.int64)},
        )
        poses = Poses(
            keypoints=predicted.astype(np.float32),
            keypoint_scores=rng.uniform(0.1, 1, (found, 17)).astype(np.float32),
            bboxes=_box(predicted),
            bbox_scores=rng.uniform(0.05, 1, found).astype(np.float32),
        )
        made.append((sample, poses))
    return made


def ours(made: list[tuple[PoseSample, Poses]]) -> dict[str, float]:
    """Evaluate with `CocoMetric`."""
    metric = CocoMetric(skeleton="coco")
    for sample, poses in made:
        metric.update(sample, poses)
    return metric.compute()


def as_files(made: list[tuple[PoseSample, Poses]]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the same people as a COCO file holds them, and the results that are left of them."""
    metric = CocoMetric(skeleton="coco")
    records = [metric.process(sample, poses) for sample, poses in made]
    annotations = [
        {
            "image_id": image,
            "category_id": 1,
            "iscrowd": 0,
            "keypoints": keypoints.reshape(-1).tolist(),
            "num_keypoints": int((keypoints[:, 2] > 0).sum()),
            "bbox": box.tolist(),
            "area": float(area),
        }
        for record in records
        if (truth := record.annotations) is not None
        for image, keypoints, box, area in zip(
            truth.image_ids.tolist(), truth.keypoints, truth.bboxes, truth.areas, strict=True
        )
    ]
    content = {
        "images": [{"id": sample.img_id} for sample, _ in made],
        "categories": [{"id": 1, "name": "person"}],
        "annotations": [{"id": i, **entry} for i, entry in enumerate(annotations, start=1)],
    }
    return content, metric.results(records).to_coco()


def theirs(truth: Any, results: list[dict[str, Any]]) -> dict[str, float]:
    """Load results and evaluate with pycocotools."""
    from pycocotools.cocoeval import COCOeval  # pyright: ignore[reportMissingImports]

    with contextlib.redirect_stdout(io.StringIO()):
        found = truth.loadRes(results)
        evaluator = COCOeval(truth, found, "keypoints")
        evaluator.params.kpt_oks_sigmas = np.array(Skeleton.load("coco").sigmas)
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    return dict(zip(_NAMES, evaluator.stats.tolist(), strict=True))


_NAMES = tuple(
    f"coco/{name}"
    for kind in ("AP", "AR")
    for name in (kind, f"{kind} .5", f"{kind} .75", f"{kind} (M)", f"{kind} (L)")
)


def _box(points: np.ndarray) -> np.ndarray:
    return np.concatenate([points.min(axis=1), points.max(axis=1)], axis=1).astype(np.float32)


def _best(repeat: int, run: Callable[[], dict[str, float]]) -> tuple[float, dict[str, float]]:
    times = []
    numbers: dict[str, float] = {}
    for _ in range(repeat):
        start = time.perf_counter()
        numbers = run()
        times.append(time.perf_counter() - start)
    return min(times), numbers


def main() -> None:
    """Time both and print what they took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=2500)
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    made = people(options.images)
    content, results = as_files(made)
    our_time, our_numbers = _best(options.repeat, lambda: ours(made))
    from pycocotools.coco import COCO  # pyright: ignore[reportMissingImports]

    with contextlib.redirect_stdout(io.StringIO()):
        truth: Any = COCO()
        truth.dataset = content
        truth.createIndex()
    their_time, their_numbers = _best(options.repeat, lambda: theirs(truth, results))
    report = {
        "images": len(made),
        "people": len(content["annotations"]),
        "predictions": sum(len(poses) for _, poses in made),
        "left after suppression": len(results),
        "raypose s": round(our_time, 3),
        "pycocotools s": round(their_time, 3),
        "times as fast": round(their_time / our_time, 1),
        "largest difference": max(abs(our_numbers[k] - their_numbers[k]) for k in _NAMES),
        "AP": our_numbers["coco/AP"],
    }
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
