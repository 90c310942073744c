"""The operations of the reference checks, by name, on `raypose.ops`.

Pieces of codecs are answered by `adapter_codecs.codec_op`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from raypose.ops import (
    boxes,
    cameras,
    flips,
    image_space,
    keypoint_mapping,
    keypoints,
    layer_decay,
    mpjpe,
    nms,
    oks,
    output_accuracy,
    pck,
    warps,
    windows,
)
from raypose.structures import PoseSample, Skeleton, SkeletonConversion
from raypose.transforms import BottomupResize, GetBBoxCenterScale, TopdownAffine


def op(name: str, **inputs: Any) -> Any:
    """Compute one operation of the reference.

    Raises:
        NotImplementedError: if it is not there.
    """
    if name in _OPERATIONS:
        return _OPERATIONS[name](**inputs)
    codecs = importlib.import_module("adapter_codecs")
    return codecs.codec_op(name, **inputs)


def _named(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give the results of a function names."""

    def wrap(function: Callable[..., Any]) -> Callable[..., Any]:
        return lambda **inputs: dict(zip(names, function(**inputs), strict=True))

    return wrap


def _image_coord(root_index: int, keypoints: Any, f: Any, c: Any) -> list[Any]:
    batched = [torch.from_numpy(values)[None] for values in (keypoints, f[:, 0], c[:, 0])]
    return [result[0] for result in image_space.camera_to_image_coord(root_index, *batched)]


def _flip_keypoints(keypoints_: dict[str, Any]) -> Any:
    keypoints_["image_size"] = keypoints_.pop("size")
    return keypoints.flip_keypoints(**keypoints_)


def _to_h36m(keypoints: np.ndarray, source: str) -> np.ndarray:
    target = Skeleton.load("h36m")
    return SkeletonConversion.between(Skeleton.load(source), target).keypoints(keypoints)


def _flip_bbox(bbox: np.ndarray, size: list[int], bbox_format: str, direction: str) -> Any:
    return boxes.flip_bbox(bbox, size, bbox_format, direction)


def _topdown_affine(
    image: np.ndarray,
    bbox: np.ndarray,
    keypoints: np.ndarray,
    padding: float,
    rotation: float,
    input_size: tuple[int, int],
    use_udp: bool,
) -> dict[str, Any]:
    sample = PoseSample(id="case", image=image, bboxes=bbox[None], keypoints=keypoints)
    sample = GetBBoxCenterScale(padding)(sample)
    sample.bbox_rotation = np.array([rotation], np.float32)
    sample = TopdownAffine(input_size, use_udp)(sample)
    assert sample.bbox_center is not None
    assert sample.bbox_scale is not None
    return {
        "image": sample.image,
        "keypoints": sample.transformed_keypoints,
        "center": sample.bbox_center[0],
        "scale": sample.bbox_scale[0],
    }


def _bottomup_resize(
    image: np.ndarray,
    input_size: tuple[int, int],
    resize_mode: str,
    size_factor: int,
    pad_val: list[int],
    use_udp: bool,
) -> dict[str, Any]:
    resize = BottomupResize(input_size, size_factor, resize_mode, pad_val, use_udp)
    sample = resize(PoseSample(id="case", image=image))
    assert sample.transform is not None
    return {
        "image": sample.image,
        "input_size": sample.transform.input_size,
        "center": sample.transform.center,
        "scale": sample.transform.scale,
    }


def _oks(
    keypoints: np.ndarray,
    others: np.ndarray,
    area: float,
    areas: np.ndarray,
    sigmas: Any = None,
    visible_threshold: float | None = None,
) -> np.ndarray:
    return oks.oks_iou(keypoints, others, area, areas, sigmas, visible_threshold)


def _pose_nms(function: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
    def call(threshold: float, visible_threshold: float | None = None, **inputs: Any) -> Any:
        return function(thr=threshold, vis_thr=visible_threshold, **inputs)

    return call


def _nearby(
    keypoints: np.ndarray, scores: np.ndarray, distance: float, min_close: Any, max_dets: int
) -> np.ndarray:
    return nms.nearby_joints_nms(keypoints, scores, distance, min_close, max_dets)


def _heatmap_pck(output: np.ndarray, target: np.ndarray, mask: np.ndarray, **rest: Any) -> Any:
    factor = rest.get("norm_factor")
    return output_accuracy.pose_pck_accuracy(
        torch.from_numpy(output),
        torch.from_numpy(target),
        torch.from_numpy(mask),
        rest["threshold"],
        None if factor is None else torch.from_numpy(factor),
    )


def _simcc_pck(
    output: list[Any], target: list[Any], split_ratio: float, mask: np.ndarray, threshold: float
) -> Any:
    x, y = map(torch.from_numpy, output)
    target_x, target_y = map(torch.from_numpy, target)
    return output_accuracy.simcc_pck_accuracy(
        (x, y), (target_x, target_y), split_ratio, torch.from_numpy(mask), threshold
    )


def _multilabel(pred: np.ndarray, gt: np.ndarray, mask: np.ndarray, threshold: float) -> Any:
    return output_accuracy.multilabel_classification_accuracy(
        torch.from_numpy(pred), torch.from_numpy(gt), torch.from_numpy(mask), threshold
    )


_ACCURACY = _named("accuracy", "mean", "count")
_CENTER_SCALE = _named("center", "scale")
_KEYPOINTS = _named("keypoints", "keypoints_visible")

_OPERATIONS: dict[str, Callable[..., Any]] = {
    "bbox_xyxy2xywh": lambda bbox: boxes.bbox_xyxy2xywh(bbox),
    "bbox_xywh2xyxy": lambda bbox: boxes.bbox_xywh2xyxy(bbox),
    "bbox_xyxy2corner": lambda bbox: boxes.bbox_xyxy2corner(bbox),
    "bbox_corner2xyxy": lambda bbox: boxes.bbox_corner2xyxy(bbox),
    "bbox_xyxy2cs": _CENTER_SCALE(boxes.bbox_xyxy2cs),
    "bbox_xywh2cs": _CENTER_SCALE(boxes.bbox_xywh2cs),
    "bbox_cs2xyxy": boxes.bbox_cs2xyxy,
    "bbox_cs2xywh": boxes.bbox_cs2xywh,
    "bbox_clip_border": lambda bbox, size: boxes.bbox_clip_border(bbox, size),
    "flip_bbox": _flip_bbox,
    "bbox_overlaps": boxes.bbox_overlaps,
    "flip_keypoints": _KEYPOINTS(lambda **inputs: _flip_keypoints(inputs)),
    "flip_keypoints_custom_center": _KEYPOINTS(keypoints.flip_keypoints_custom_center),
    "keypoint_clip_border": _KEYPOINTS(
        lambda size, **inputs: keypoints.keypoint_clip_border(image_size=size, **inputs)
    ),
    "keypoint_converter": _named("keypoints", "keypoints_visible", "keypoints_visible_weights")(
        keypoint_mapping.convert_keypoints
    ),
    "keypoints_to_h36m": _to_h36m,
    "frame_window": windows.frame_window,
    "vit_layer_of_parameter": layer_decay.vit_layer_of_parameter,
    "warp_matrix": warps.get_warp_matrix,
    "udp_warp_matrix": warps.get_udp_warp_matrix,
    "perspective_warp_matrix": warps.get_pers_warp_matrix,
    "topdown_affine": _topdown_affine,
    "bottomup_resize": _bottomup_resize,
    "oks": _oks,
    "oks_nms": _pose_nms(nms.oks_nms),
    "soft_oks_nms": _pose_nms(nms.soft_oks_nms),
    "nearby_joints_nms": _nearby,
    "nms": lambda bboxes, scores, threshold: nms.nms(bboxes, scores, threshold),
    "nms_groups": lambda bboxes, scores, threshold: nms.nms_groups(bboxes, scores, threshold),
    "pck_accuracy": _ACCURACY(
        lambda threshold, **inputs: pck.keypoint_pck_accuracy(thr=threshold, **inputs)
    ),
    "auc": lambda num_thresholds, **inputs: pck.keypoint_auc(num_thrs=num_thresholds, **inputs),
    "nme": pck.keypoint_nme,
    "epe": pck.keypoint_epe,
    "mpjpe": mpjpe.keypoint_mpjpe,
    "similarity_transform": mpjpe.similarity_transform,
    "heatmap_pck_accuracy": _ACCURACY(_heatmap_pck),
    "simcc_pck_accuracy": _ACCURACY(_simcc_pck),
    "multilabel_accuracy": _multilabel,
    "map_sigmas": keypoint_mapping.map_sigmas,
    "map_keypoints": _named("keypoints", "scores")(keypoint_mapping.map_keypoints),
    "flip_heatmaps": lambda heatmaps, flip_indices, flip_mode, shift: flips.flip_heatmaps(
        torch.from_numpy(heatmaps), flip_indices, flip_mode, shift
    ),
    "flip_coordinates": lambda coords, flip_indices, shift, input_size: flips.flip_coordinates(
        torch.from_numpy(coords), flip_indices, shift, input_size
    ),
    "flip_vectors": lambda x, y, flip_indices: flips.flip_vectors(
        torch.from_numpy(x), torch.from_numpy(y), flip_indices
    ),
    "flip_visibility": lambda visibility, flip_indices: flips.flip_visibility(
        torch.from_numpy(visibility), flip_indices
    ),
    "aggregate_heatmaps": lambda heatmaps, size, align_corners, mode: flips.aggregate_heatmaps(
        [torch.from_numpy(maps) for maps in heatmaps], size, align_corners, mode
    ),
    "inverse_sigmoid": lambda x: flips.inverse_sigmoid(torch.as_tensor(x)),
    "camera.world_to_camera": cameras.world_to_camera,
    "camera.camera_to_world": cameras.camera_to_world,
    "camera.camera_to_pixel": cameras.camera_to_pixel,
    "camera.world_to_pixel": cameras.world_to_pixel,
    "camera.pixel_to_camera": cameras.pixel_to_camera,
    "project": cameras.project,
    "unproject": cameras.unproject,
    "camera_to_image_coord": _named("keypoints", "factor")(_image_coord),
}
