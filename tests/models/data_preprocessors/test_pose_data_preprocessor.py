"""Channel order, normalisation and padding."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from raypose.errors import ConfigError
from raypose.models.data_preprocessors import PoseDataPreprocessor


def pixels(*shape: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)


def test_mean_and_std_are_of_the_swapped_order() -> None:
    images = pixels(2, 3, 4, 5)
    mean, std = [10.0, 20.0, 30.0], [2.0, 4.0, 8.0]
    out = PoseDataPreprocessor(mean, std, bgr_to_rgb=True)(images)
    for channel in range(3):
        expected = (images[:, 2 - channel].float() - mean[channel]) / std[channel]
        torch.testing.assert_close(out[:, channel], expected)


def test_sizes_are_padded_after_normalisation() -> None:
    images = [pixels(3, 5, 9), pixels(3, 7, 4)]
    processor = PoseDataPreprocessor([100.0], [50.0], pad_size_divisor=4, pad_value=-1)
    out = processor(images)
    assert out.shape == (2, 3, 8, 12)
    for image, padded in zip(images, out, strict=True):
        h, w = image.shape[1:]
        torch.testing.assert_close(padded[:, :h, :w], (image.float() - 100) / 50)
        assert padded[:, h:].eq(-1).all()
        assert padded[:, :, w:].eq(-1).all()


def test_a_stack_is_padded_like_a_list() -> None:
    images = pixels(2, 3, 5, 6)
    processor = PoseDataPreprocessor(pad_size_divisor=8, pad_value=3)
    assert torch.equal(processor(images), processor(list(images)))


def test_float_images_are_not_changed_in_place() -> None:
    image = pixels(3, 4, 4).float()
    before = image.clone()
    PoseDataPreprocessor([1.0], [2.0])([image])
    assert torch.equal(image, before)


def test_nothing_of_it_is_saved() -> None:
    processor = PoseDataPreprocessor([1.0, 2.0, 3.0], [1.0, 1.0, 1.0])
    assert processor.state_dict() == {}
    assert processor.to("meta").mean.is_meta  # but it moves with the model


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"bgr_to_rgb": True, "rgb_to_bgr": True}, "exclude each other"),
        ({"mean": [1.0]}, "given together"),
        ({"mean": [1.0, 2.0], "std": [1.0, 2.0]}, "mean has 1 or 3 values"),
    ],
)
def test_contradictions(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        PoseDataPreprocessor(**arguments)
