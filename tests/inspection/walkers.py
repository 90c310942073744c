"""Clean labelled data to plant mistakes in: walkers from above, one on each of many pictures.

The left side of a walker is always to the left of the line from tail to head.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np

NAMES = (
    "head",
    "tail",
    "left_hip",
    "right_hip",
    "left_knee",
    "right_knee",
    "left_foot",
    "right_foot",
)
LINKS = [[1, 2], [3, 5], [4, 6], [5, 7], [6, 8], [2, 3], [2, 4]]
WIDTH, HEIGHT = 160, 120
# Along the body and to its left.
_SHAPE = np.array(
    [(30, 0), (-20, 0), (-5, 6), (-5, -6), (5, 12), (5, -12), (15, 16), (15, -16)], np.float64
)

Content = dict[str, Any]


def walkers(count: int, seed: int, prefix: str) -> Content:
    """Return the COCO content of pictures `PREFIX0.png`, ... with one walker each."""
    random = np.random.default_rng(seed)
    images, annotations = [], []
    for number in range(1, count + 1):
        name = f"{prefix}{number}.png"
        images.append({"id": number, "file_name": name, "width": WIDTH, "height": HEIGHT})
        angle = random.uniform(0, 2 * np.pi)
        ahead = np.array([np.cos(angle), np.sin(angle)])
        left = np.array([ahead[1], -ahead[0]])  # y points down
        points = _SHAPE @ np.stack([ahead, left]) * random.uniform(0.9, 1.1)
        points += random.normal((WIDTH / 2, HEIGHT / 2), 0.5, points.shape)
        annotations.append(annotation(number, number, points))
    category = {"id": 1, "name": "walker", "keypoints": list(NAMES), "skeleton": LINKS}
    return {"images": images, "annotations": annotations, "categories": [category]}


def annotation(number: int, image: int, points: np.ndarray) -> Content:
    """Return an annotation of (8, 2) points, all of them visible."""
    low, high = points.min(axis=0) - 4, points.max(axis=0) + 4
    return {
        "id": number,
        "image_id": image,
        "category_id": 1,
        "bbox": [*low.tolist(), *(high - low).tolist()],
        "area": float((high - low).prod() / 2),
        "iscrowd": 0,
        "num_keypoints": len(points),
        "keypoints": np.column_stack([points, np.full(len(points), 2)]).ravel().tolist(),
    }


def points_of(entry: Content) -> np.ndarray:
    """Return (8, 3): x, y and visibility, a copy."""
    return np.array(entry["keypoints"], np.float64).reshape(-1, 3)


def set_points(entry: Content, points: np.ndarray) -> None:
    """Put (8, 3) keypoints into an annotation, whose box and count then fit them."""
    seen = points[points[:, 2] > 0, :2]
    entry.update(annotation(entry["id"], entry["image_id"], seen))
    entry["keypoints"] = points.ravel().tolist()


def write_labels(folder: Path, **splits: Content) -> list[str]:
    """Write `SPLIT.json` of each split and return the paths."""
    for name, content in splits.items():
        (folder / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    return [str(folder / f"{name}.json") for name in splits]


def draw_pictures(folder: Path, *contents: Content) -> None:
    """Save the pictures that contents name, no two of them alike."""
    for content in contents:
        for entry in content["images"]:
            name = entry["file_name"]
            save_picture(folder / name, seed=int.from_bytes(name.encode(), "big"))


def save_picture(path: Path, seed: int) -> None:
    """Save a picture of large patches of random grey."""
    patches = np.random.default_rng(seed).integers(0, 255, (6, 8), np.uint8)
    picture = cv2.resize(patches, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    cv2.imwrite(str(path), cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR))
