"""Writes a set of synthetic pictures with its COCO keypoints JSON."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import cv2

from raypose.datasets.synthetic.scene import render_scene
from raypose.structures import Skeleton

Record = tuple[dict[str, Any], list[dict[str, Any]]]


def write_synthetic_people(
    out_dir: str | Path,
    num_images: int,
    seed: int = 0,
    split_name: str = "train",
    *,
    num_workers: int = 0,
    jpeg_quality: int = 92,
    on_image: Callable[[int], None] | None = None,
) -> Path:
    """Draw a set of people and write it as pictures and COCO keypoints.

    Pictures go to `out_dir/images/<split_name>/000000.jpg` and on, the annotations to
    `out_dir/<split_name>.json`, whose file names are relative to `out_dir/images`. What is
    written depends on the arguments only, not on the number of processes.

    Args:
        out_dir: folder, made if missing.
        num_images: pictures to draw.
        seed: another seed gives other pictures.
        split_name: "train", "val"; another split has other pictures under the same seed.
        num_workers: processes that draw; 0 draws in this one.
        jpeg_quality: 1 to 100.
        on_image: called with the number of pictures done after each.

    Returns:
        The path of the JSON.

    Raises:
        ValueError: if `num_images` is not positive.
    """
    if num_images < 1:
        raise ValueError(f"num_images is a positive number, got {num_images}")
    out_dir = Path(out_dir)
    folder = out_dir / "images" / split_name
    folder.mkdir(parents=True, exist_ok=True)
    draw = partial(_write_picture, folder, seed, split_name, jpeg_quality)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for image, people in _map(draw, num_images, num_workers):
        images.append(image)
        for person in people:
            identity = {"id": len(annotations) + 1, "image_id": image["id"]}
            annotations.append({**identity, **person})
        if on_image is not None:
            on_image(len(images))
    path = out_dir / f"{split_name}.json"
    content = {
        "info": {"description": f"raypose synthetic people, seed {seed}, split {split_name}"},
        "images": images,
        "annotations": annotations,
        "categories": [_category()],
    }
    path.write_text(json.dumps(content, separators=(",", ":")), encoding="utf-8")
    return path


def _map(draw: Callable[[int], Record], num_images: int, num_workers: int) -> Iterator[Record]:
    """Draw the pictures in order, here or in processes."""
    if num_workers < 1:
        yield from map(draw, range(num_images))
        return
    # A fresh interpreter: forking a process that runs torch or Ray threads may hang.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(
        num_workers, context, initializer=cv2.setNumThreads, initargs=(1,)
    ) as pool:
        yield from pool.map(draw, range(num_images), chunksize=16)


def _write_picture(
    folder: Path, seed: int, split_name: str, jpeg_quality: int, index: int
) -> Record:
    scene = render_scene(seed, index, split_name)
    name = f"{index:06d}.jpg"
    _, data = cv2.imencode(".jpg", scene.image, (cv2.IMWRITE_JPEG_QUALITY, jpeg_quality))
    (folder / name).write_bytes(data.tobytes())
    height, width = scene.image.shape[:2]
    image = {
        "id": index,
        "file_name": f"{split_name}/{name}",
        "width": width,
        "height": height,
    }
    return image, [person.to_coco() for person in scene.people]


def _category() -> dict[str, Any]:
    coco = Skeleton.load("coco")
    return {
        "id": 1,
        "name": "person",
        "supercategory": "person",
        "keypoints": list(coco.keypoint_names),
        "skeleton": [[first + 1, second + 1] for first, second in coco.links],
    }
