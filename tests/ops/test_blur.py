from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from raypose.ops import blur


@pytest.mark.parametrize("size", [1, 3, 5, 7, 11, 13, 17, 23, 37])
def test_kernels_are_those_of_opencv(size: int) -> None:
    expected = cv2.getGaussianKernel(size, 0, cv2.CV_32F)[:, 0]

    np.testing.assert_allclose(blur.gaussian_kernel(size).numpy(), expected, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("size", [3, 9, 17])
def test_every_kernel_is_symmetric_and_sums_to_one(size: int) -> None:
    kernel = blur.gaussian_kernel(size)

    assert kernel.sum().item() == pytest.approx(1)
    torch.testing.assert_close(kernel, kernel.flip(0))


@pytest.mark.parametrize("size", [3, 11, 17])
def test_blur_with_zeros_beyond_the_border(size: int) -> None:
    maps = np.random.default_rng(0).random((3, 20, 14), np.float32)
    half = size // 2

    blurred = blur.gaussian_blur(torch.from_numpy(maps), size)

    for got, given in zip(blurred.numpy(), maps, strict=True):
        padded = cv2.GaussianBlur(np.pad(given, half), (size, size), 0)[half:-half, half:-half]
        np.testing.assert_allclose(got, padded * given.max() / padded.max(), atol=2e-6)


@pytest.mark.parametrize("size", [3, 11, 23])
def test_smooth_mirrors_at_the_border(size: int) -> None:
    maps = np.random.default_rng(0).random((3, 20, 14), np.float32)

    smoothed = blur.smooth(torch.from_numpy(maps), size)

    for got, given in zip(smoothed.numpy(), maps, strict=True):
        np.testing.assert_allclose(got, cv2.GaussianBlur(given, (size, size), 0), atol=2e-6)


def test_a_vector_is_a_map_of_one_row() -> None:
    vectors = torch.from_numpy(np.random.default_rng(0).random((4, 30), np.float32))
    expected = torch.stack(
        [
            torch.from_numpy(cv2.GaussianBlur(np.pad(v, 5)[None], (11, 1), 0)[0, 5:-5])
            for v in vectors.numpy()
        ]
    )
    factor = vectors.amax(dim=1) / expected.amax(dim=1)

    torch.testing.assert_close(blur.gaussian_blur1d(vectors, 11), expected * factor[:, None])
    torch.testing.assert_close(blur.peak_loss(vectors, 11), factor)
