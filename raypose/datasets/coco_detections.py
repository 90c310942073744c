"""`CocoDetections`: boxes of a detector on the images of an annotation file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from raypose.datasets.base_dataset import check_problems
from raypose.datasets.coco_annotations import CocoImage, read_images, read_json
from raypose.errors import DataError
from raypose.structures import PoseSample


class CocoDetections:
    """Boxes of a file, checked, in its order.

    The file is a list of COCO results, with `image_id`, `category_id`, `bbox` xywh and `score`, as
    MMPose takes it; or a whole COCO file, whose annotations have these (without a score they score
    1) and whose images are known by their file names, whatever their ids.

    Args:
        path: the file.
        content: the annotation file, parsed; its images are those that may be detected on.
        ann_file: its path, for messages.
        category_ids: boxes of other categories are left out.
        score_threshold: the least score, None for all.
        sample_interval: use images whose id is a multiple of it.

    Attributes:
        images: by their ids.
        boxes: id of the image, category, box xywh and score of each detection.

    Raises:
        DataError: with all that is wrong in the files.
    """

    def __init__(
        self,
        path: str,
        content: Mapping[str, Any],
        ann_file: str,
        category_ids: set[int],
        score_threshold: float | None,
        sample_interval: int,
    ) -> None:
        problems: list[str] = []
        self.images = {image.id: image for image in read_images(content, problems)}
        check_problems(ann_file, problems)
        self.boxes: list[tuple[int, int, list[float], float]] = []
        strange: set[int] = set()
        found = _entries(read_json(path), path, self.images, ann_file)
        for number, item in enumerate(found):
            if not isinstance(item, dict):
                problems.append(f"detection {number}: a mapping expected, got {item!r}")
                continue
            lacking = [k for k in ("image_id", "category_id", "bbox", "score") if k not in item]
            if lacking:
                problems.append(f"detection {number}: no {' and no '.join(lacking)}")
            elif item["category_id"] not in category_ids:
                strange.add(item["category_id"])
            elif item["image_id"] not in self.images:
                problems.append(
                    f"detection {number}: no image of {ann_file} has the id {item['image_id']}"
                )
            elif len(item["bbox"]) < 4 or not np.isfinite(item["bbox"][:4]).all():
                problems.append(
                    f"detection {number}: 'bbox' is x, y, width and height, got {item['bbox']}"
                )
            elif item["image_id"] % sample_interval == 0 and (
                score_threshold is None or item["score"] >= score_threshold
            ):
                box = item["bbox"][:4]
                self.boxes.append((item["image_id"], item["category_id"], box, item["score"]))
        if strange and not self.boxes and not problems:
            problems.append(
                f"all detections are of the categories {_listed(strange)}, {ann_file} has poses of "
                f"{_listed(category_ids)}"
            )
        check_problems(path, problems)

    def make_sample(self, position: int) -> PoseSample:
        """Make the sample of one detection; it has no keypoints."""
        image_id, category_id, (x, y, w, h), score = self.boxes[position]
        image = self.images[image_id]
        meta: dict[str, Any] = {"id": position, "category_id": category_id}
        if image.crowd_index is not None:
            meta["crowd_index"] = image.crowd_index
        return PoseSample(
            id=f"{image_id}/{position}",
            img_path=image.file_name,
            img_id=image_id,
            img_shape=image.shape,
            bboxes=np.array([[x, y, x + w, y + h]], np.float32),
            bbox_scores=np.array([score], np.float32),
            meta=meta,
        )


def _entries(
    found: Any, path: str, images: Mapping[int, CocoImage], ann_file: str
) -> Sequence[Any]:
    """Return the detections of either form of file, with the ids of the annotation file."""
    if isinstance(found, list):
        return found
    if not isinstance(found, dict) or not all(
        isinstance(found.get(key), list) for key in ("images", "annotations")
    ):
        raise DataError(
            f"{path}: a list of detections or a COCO file with 'images' and 'annotations' "
            f"expected, got {'other keys' if isinstance(found, dict) else type(found).__name__}"
        )
    problems: list[str] = []
    own = read_images(found, problems, sized=False)
    check_problems(path, problems)
    by_name = {image.file_name: image.id for image in images.values()}
    unknown = [image.file_name for image in own if image.file_name not in by_name]
    check_problems(path, [f"no image of {ann_file} is called {name}" for name in unknown])
    ids = {image.id: by_name[image.file_name] for image in own}
    entries = []
    for number, item in enumerate(found["annotations"]):
        image_id = item.get("image_id") if isinstance(item, dict) else None
        if image_id in ids:
            entries.append({"score": 1.0, **item, "image_id": ids[image_id]})
        else:
            problems.append(f"annotation {number}: no image of the file has the id {image_id}")
    check_problems(path, problems)
    return entries


def _listed(numbers: set[int]) -> str:
    return ", ".join(str(number) for number in sorted(numbers, key=str))
