"""What must agree between the parts of a config."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from raypose.config.nodes import KeyPath, Node, Problem
from raypose.structures import Skeleton

# How many outputs a head has is said by a different argument in each.
_OUTPUT_ARGUMENTS = {
    "HeatmapHead": "out_channels",
    "SimCCHead": "out_channels",
    "RTMCCHead": "out_channels",
    "RTMWHead": "out_channels",
    "RTMW3DHead": "out_channels",
    "RegressionHead": "num_joints",
    "RLEHead": "num_joints",
    "TemporalRegressionHead": "num_joints",
    "AssociativeEmbeddingHead": "num_keypoints",
}
# Codecs whose input may have any size.
_UNSIZED_CODECS = ("YOLOXPoseAnnotationProcessor",)
_SIZED_TRANSFORMS = ("TopdownAffine", "BottomupRandomAffine", "BottomupResize")


def rule_problems(root: Node, skeleton: Skeleton | None) -> Iterator[Problem]:
    """Yield what does not agree.

    Args:
        root: the resolved config.
        skeleton: that of the config, if it has one that loads.
    """
    for rule in (_outputs, _input_sizes, _batch, _probe, _placement, _compile, _optimizer):
        yield from rule(root, skeleton)


def _outputs(root: Node, skeleton: Skeleton | None) -> Iterator[Problem]:
    """One output for each keypoint, three in a combined UDP heatmap."""
    path: KeyPath = ("model", "head")
    head = _at(root, path)
    if _plain(head, "type") == "VisPredictHead":
        path = (*path, "pose_cfg")
        head = _at(root, path)
    key = _OUTPUT_ARGUMENTS.get(str(_plain(head, "type")))
    node = None if head is None or key is None else head.child(key)
    codec = root.child("codec")
    if node is None or skeleton is None or _plain(codec, "remove_root"):
        return
    expected, why = (
        skeleton.num_keypoints,
        f"{skeleton.name} has {skeleton.num_keypoints} keypoints",
    )
    if _plain(codec, "type") == "UDPHeatmap" and _plain(codec, "heatmap_type") == "combined":
        expected *= 3
        why += ", and a combined heatmap has 3 channels for each"
    if isinstance(node.value, int) and node.value != expected:
        yield Problem(node.mark, (*path, key), f"got {node.value}, expected {expected}: {why}")


def _input_sizes(root: Node, skeleton: Skeleton | None) -> Iterator[Problem]:
    """Codec, decoder and crop work on the same input."""
    codec = _at(root, ("codec", "input_size"))
    if codec is None or codec.broken:
        return
    if _plain(root.child("codec"), "type") in _UNSIZED_CODECS:
        return
    places: list[KeyPath] = [
        ("model", "head", "decoder", "input_size"),
        ("model", "head", "input_size"),
    ]
    for pipeline in (("train",), ("train", "switch"), ("val",)):
        path: KeyPath = ("data", *pipeline, "pipeline")
        for index, step in enumerate(_items(_at(root, path))):
            if _plain(step, "type") in _SIZED_TRANSFORMS:
                places.append((*path, index, "input_size"))
    for path in places:
        node = _at(root, path)
        expected, name = codec.plain(), "codec.input_size"
        if path[0] == "data" and isinstance(expected, list) and len(expected) == 3:
            expected, name = expected[:2], "codec.input_size without its depth"
        if node is None or node.broken or node.plain() == expected:
            continue
        message = f"got {node.plain()}, expected {name}, {expected} ({codec.mark})"
        yield Problem(node.mark, path, message)


def _batch(root: Node, skeleton: Skeleton | None) -> Iterator[Problem]:
    """Every worker has a share of a batch."""
    batch = _at(root, ("train", "batch_size"))
    size, count = None if batch is None else batch.value, _most_workers(root)
    if isinstance(size, int) and isinstance(count, int) and size < count:
        assert batch is not None
        message = f"got {size}, expected a sample at least for each of {count} workers"
        yield Problem(batch.mark, ("train", "batch_size"), message)


def _probe(root: Node, skeleton: Skeleton | None) -> Iterator[Problem]:
    """One worker alone cannot try what fits when its weights are spread over all of them."""
    path: KeyPath = ("train", "batch_size")
    node = _at(root, path)
    strategy = _plain(root.child("cluster"), "strategy")
    if node is not None and node.value == "auto" and strategy == "fsdp2":
        yield Problem(node.mark, path, "got auto, expected a number with cluster.strategy: fsdp2")


def _placement(root: Node, skeleton: Skeleton | None) -> Iterator[Problem]:
    """Ray counts how many workers of a range have room, whatever a strict placement asks for."""
    path: KeyPath = ("cluster", "placement_strategy")
    node, workers = _at(root, path), _at(root, ("cluster", "num_workers"))
    if node is None or workers is None or not isinstance(workers.value, list):
        return
    if str(node.value).startswith("STRICT_"):
        message = f"got {node.value}, expected PACK or SPREAD with a range of workers"
        yield Problem(node.mark, path, message)


def _most_workers(root: Node) -> Any:
    """Return the largest number of workers that a config asks for, None if it is not known."""
    plain = _plain(root.child("cluster"), "num_workers")
    return plain[-1] if isinstance(plain, list) and plain else plain


def _compile(root: Node, skeleton: Skeleton | None) -> Iterator[Problem]:
    """A step whose weights come and go cannot be compiled as a whole."""
    path: KeyPath = ("train", "compile")
    node = _at(root, path)
    strategy = _plain(root.child("cluster"), "strategy")
    if node is not None and node.value is True and strategy == "fsdp2":
        yield Problem(node.mark, path, "got true, expected false with cluster.strategy: fsdp2")


def _optimizer(root: Node, skeleton: Skeleton | None) -> Iterator[Problem]:
    """Training needs an optimizer."""
    split = _at(root, ("data", "train"))
    if split is not None and split.value is not None and root.child("optimizer") is None:
        message = "training data but no 'optimizer', such as {type: AdamW, lr: 5.0e-4}"
        yield Problem(split.mark, ("data", "train"), message)


def _at(root: Node, path: KeyPath) -> Node | None:
    node: Node | None = root
    for key in path:
        node = None if node is None else node.child(key)
    return node


def _plain(node: Node | None, key: str) -> Any:
    child = None if node is None else node.child(key)
    return None if child is None else child.plain()


def _items(node: Node | None) -> list[Node]:
    return node.value if node is not None and isinstance(node.value, list) else []
