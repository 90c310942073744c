"""What holds for every codec: batches, padded instances, round trips, docstring examples."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import yaml
from torch import Tensor

from raypose.codecs import BaseKeypointCodec
from raypose.registry import CODECS
from raypose.structures import PoseBatch

HEATMAP = {"input_size": [96, 128], "heatmap_size": [24, 32]}
CONFIGS: dict[str, dict[str, Any]] = {
    "msra": {"type": "MSRAHeatmap", "sigma": 2, **HEATMAP},
    "dark": {"type": "MSRAHeatmap", "sigma": 2, "unbiased": True, **HEATMAP},
    "udp": {"type": "UDPHeatmap", "sigma": 2, **HEATMAP},
    "udp_combined": {"type": "UDPHeatmap", "heatmap_type": "combined", **HEATMAP},
    "megvii": {"type": "MegviiHeatmap", "kernel_size": 7, **HEATMAP},
    "simcc": {"type": "SimCCLabel", "input_size": [96, 128], "sigma": 4.0},
    "simcc_dark": {
        "type": "SimCCLabel",
        "input_size": [96, 128],
        "sigma": [4.0, 5.0],
        "use_dark": True,
        "normalize": False,
    },
    "simcc_standard": {
        "type": "SimCCLabel",
        "input_size": [96, 128],
        "smoothing_type": "standard",
        "label_smooth_weight": 0.1,
    },
    "regression": {"type": "RegressionLabel", "input_size": [96, 128]},
}
# Farthest that decode(encode(x)) is from x on an axis, in pixels of the input.
ROUND_TRIP = {
    "msra": 2.0,  # half a cell
    "dark": 0.2,  # near the border the blur takes in what is outside, zeros
    "udp": 1.0,  # decode() scales by size / (cells - 1), encode() by (size - 1) / (cells - 1)
    "udp_combined": 1.0,
    "megvii": 3.0,  # half a cell, and a quarter near the border, where the two blurs differ
    "simcc": 0.26,
    "simcc_dark": 0.26,
    "simcc_standard": 0.26,
    "regression": 1e-4,
}


def build(name: str) -> BaseKeypointCodec:
    return CODECS.build(CONFIGS[name])


def outputs_of(targets: dict[str, Tensor]) -> Any:
    """Targets in the form of a head's output."""
    if "heatmaps" in targets:
        return targets["heatmaps"]
    if "keypoint_labels" in targets:
        return targets["keypoint_labels"]
    return targets["keypoint_x_labels"], targets["keypoint_y_labels"]


def noisy(outputs: Any, seed: int) -> Any:
    generator = torch.Generator().manual_seed(seed)
    if isinstance(outputs, Tensor):
        return outputs + 0.05 * torch.randn(outputs.shape, generator=generator)
    return tuple(noisy(item, seed + i) for i, item in enumerate(outputs))


def part(value: Any, index: slice | Tensor) -> Any:
    if isinstance(value, Tensor):
        return value[index]
    return tuple(part(item, index) for item in value)


def points(B: int, N: int = 1, K: int = 5, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    low, high = torch.tensor([12.0, 12.0]), torch.tensor([80.0, 112.0])
    return low + torch.rand(B, N, K, 2, generator=generator) * (high - low)


@pytest.mark.parametrize("name", CONFIGS)
def test_decoding_the_target_returns_the_keypoints(name: str) -> None:
    codec, keypoints = build(name), points(6)

    decoded, scores = codec.decode(outputs_of(codec.encode(keypoints)))

    assert decoded.shape == keypoints.shape
    assert scores.shape == (6, 1, 5)
    torch.testing.assert_close(decoded, keypoints, rtol=0, atol=ROUND_TRIP[name])


@pytest.mark.parametrize("name", CONFIGS)
def test_a_batch_gives_the_bits_of_single_samples(name: str) -> None:
    codec, keypoints = build(name), points(7)
    visible = (torch.arange(35).view(7, 1, 5) % 4 > 0).float()
    targets = codec.encode(keypoints, visible)
    outputs = noisy(outputs_of(targets), seed=1)
    decoded = codec.decode(outputs)

    for i in range(7):
        one = slice(i, i + 1)
        for key, value in codec.encode(keypoints[one], visible[one]).items():
            assert torch.equal(value, targets[key][one]), key
        for got, want in zip(codec.decode(part(outputs, one)), decoded, strict=True):
            assert torch.equal(got, want[one])


@pytest.mark.parametrize("name", CONFIGS)
def test_invisible_keypoints_leave_nothing(name: str) -> None:
    codec, keypoints = build(name), points(2)
    visible = torch.tensor([1.0, 0.0, 1.0, 0.0, 1.0]).expand(2, 1, 5)

    targets = codec.encode(keypoints, visible)

    assert torch.equal(targets["keypoint_weights"], visible)
    if name == "udp_combined":
        assert targets["heatmaps"].view(2, 5, 3, 32, 24)[:, [1, 3]].abs().sum() == 0
    elif name != "regression":  # its labels are not drawn; the weight alone says what counts
        for drawn in outputs_of(targets) if name.startswith("simcc") else [targets["heatmaps"]]:
            per_keypoint = drawn.reshape(2, 5, -1)
            assert per_keypoint[:, [1, 3]].abs().sum() == 0
            assert (per_keypoint[:, [0, 2, 4]].sum(dim=-1) > 0).all()


@pytest.mark.parametrize("name", CONFIGS)
def test_no_visibility_means_all_visible(name: str) -> None:
    codec, keypoints = build(name), points(2)

    without, with_ones = codec.encode(keypoints), codec.encode(keypoints, torch.ones(2, 1, 5))

    assert without.keys() == with_ones.keys() == set(codec.target_keys)
    for key, value in without.items():
        assert torch.equal(value, with_ones[key])


@pytest.mark.parametrize("name", CONFIGS)
def test_half_precision_outputs_decode_in_single(name: str) -> None:
    codec = build(name)
    outputs = noisy(outputs_of(codec.encode(points(2))), seed=2)
    half = outputs.half() if isinstance(outputs, Tensor) else tuple(o.half() for o in outputs)
    single = half.float() if isinstance(half, Tensor) else tuple(o.float() for o in half)

    for got, want in zip(codec.decode(half), codec.decode(single), strict=True):
        assert got.dtype == torch.float32
        assert torch.equal(got, want)


@pytest.mark.parametrize("name", CONFIGS)
def test_decoding_leaves_its_input_alone(name: str) -> None:
    codec = build(name)
    outputs = noisy(outputs_of(codec.encode(points(2))), seed=3)
    tensors = [outputs] if isinstance(outputs, Tensor) else list(outputs)
    before = [tensor.clone() for tensor in tensors]

    codec.decode(outputs)

    for after, copy in zip(tensors, before, strict=True):
        assert torch.equal(after, copy)


@pytest.mark.parametrize("name", CONFIGS)
def test_encoding_stays_on_the_device(name: str) -> None:
    targets = build(name).encode(points(2).to("meta"), torch.ones(2, 1, 5, device="meta"))

    assert {value.device.type for value in targets.values()} == {"meta"}


# The others look at values on the way, which a meta tensor does not have.
@pytest.mark.parametrize("name", ["msra", "udp_combined", "simcc", "simcc_standard", "regression"])
def test_decoding_stays_on_the_device(name: str) -> None:
    outputs = outputs_of(build(name).encode(points(2)))
    moved = outputs.to("meta") if isinstance(outputs, Tensor) else [o.to("meta") for o in outputs]

    assert {value.device.type for value in build(name).decode(moved)} == {"meta"}


@pytest.mark.gpu
@pytest.mark.parametrize("name", CONFIGS)
def test_a_gpu_gives_what_the_cpu_gives(name: str) -> None:
    codec, keypoints = build(name), points(4)
    targets = codec.encode(keypoints)
    on_gpu = codec.encode(keypoints.cuda())
    for key, value in targets.items():
        torch.testing.assert_close(on_gpu[key].cpu(), value, rtol=1e-5, atol=1e-6)
    outputs = noisy(outputs_of(targets), seed=4)
    moved = outputs.cuda() if isinstance(outputs, Tensor) else tuple(o.cuda() for o in outputs)
    for got, want in zip(codec.decode(moved), codec.decode(outputs), strict=True):
        torch.testing.assert_close(got.cpu(), want, rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize("name", ["msra", "dark", "udp", "udp_combined", "megvii"])
def test_heatmap_codecs_encode_one_instance(name: str) -> None:
    with pytest.raises(ValueError, match=r"one instance in each sample, got .*N = 3"):
        build(name).encode(points(2, N=3))


@pytest.mark.parametrize("name", ["msra", "dark", "udp", "udp_combined", "megvii"])
def test_heatmaps_of_another_size_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"heatmap_size \[24, 32\] .*got \(1, 6, 24, 32\)"):
        build(name).decode(torch.zeros(1, 6, 24, 32))


@pytest.mark.parametrize("size", [[96], [96, 0], [96.5, 128], [1, 2, 3]])
def test_sizes_are_two_positive_whole_numbers(size: list[float]) -> None:
    with pytest.raises(ValueError, match=r"input_size is \(w, h\), two positive whole numbers"):
        CODECS.build({"type": "RegressionLabel", "input_size": size})


@pytest.mark.parametrize("name", ["simcc", "simcc_standard", "regression"])
def test_instances_are_independent_of_their_order(name: str) -> None:
    codec, keypoints = build(name), points(2, N=3)
    order = torch.tensor([2, 0, 1])

    targets, permuted = codec.encode(keypoints), codec.encode(keypoints[:, order])

    for key, value in targets.items():
        assert torch.equal(value[:, order], permuted[key])


def test_encode_batch_fills_the_targets() -> None:
    batch = PoseBatch(
        keypoints=points(3), keypoints_visible=torch.ones(3, 1, 5), ids=["a", "b", "c"]
    )
    weights = torch.tensor([1.0, 2.0, 0.5, 1.0, 1.0])

    encoded = build("msra").encode_batch(batch, weights)

    assert set(encoded.targets) == {"heatmaps", "keypoint_weights"}
    assert torch.equal(encoded.targets["keypoint_weights"], weights.expand(3, 1, 5))
    assert encoded.ids == batch.ids
    assert batch.targets == {}


@pytest.mark.parametrize("name", list(CODECS))
def test_the_example_of_the_docstring_builds(name: str) -> None:
    text = (CODECS.get(name).__doc__ or "").partition("Example:\n")[2]
    example = yaml.safe_load(text)

    assert example["type"] == name
    assert isinstance(CODECS.build(example), BaseKeypointCodec)
