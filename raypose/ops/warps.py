"""Affine maps between image space and input space, and warping with them (NumPy and OpenCV).

A crop is described by its center (x, y) and scale (w, h) in the image and a rotation in degrees;
sizes are (w, h). Two conventions exist. The plain one maps `scale` pixels to `output_size` pixels;
UDP (Huang et al., "The Devil is in the Details", CVPR 2020) measures both between the centers of
the outermost pixels, so `scale` goes to `output_size - 1`. They also turn in opposite directions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np

from raypose.errors import RayposeError

Pair = Sequence[float] | np.ndarray


def get_warp_matrix(
    center: Pair,
    scale: Pair,
    rotation: float,
    output_size: Pair,
    shift: Pair = (0.0, 0.0),
    inverse: bool = False,
    fix_aspect_ratio: bool = True,
) -> np.ndarray:
    """Compute the map from an image to a crop of it.

    The point `center + shift * scale` goes to the middle of the output. A positive rotation turns
    the crop clockwise on the screen: its x axis lies along (cos, sin) of the image.

    Args:
        center: middle of the crop in the image.
        scale: extent (w, h) of the crop in the image.
        rotation: degrees.
        output_size: (w, h) of the output.
        shift: move of the crop as a share of `scale`.
        inverse: return the map from the output to the image.
        fix_aspect_ratio: scale both axes by output w / scale w; otherwise each by its own.

    Returns:
        (2, 3) float64.
    """
    (w, h), (out_w, out_h) = _floats(scale), _floats(output_size)
    (x, y), (shift_x, shift_y) = _floats(center), _floats(shift)
    x, y = x + shift_x * w, y + shift_y * h
    sx = out_w / w
    sy = sx if fix_aspect_ratio else out_h / h
    cos, sin = _cos_sin(rotation)
    if inverse:
        return _about(cos / sx, -sin / sy, sin / sx, cos / sy, (out_w / 2, out_h / 2), (x, y))
    return _about(cos * sx, sin * sx, -sin * sy, cos * sy, (x, y), (out_w / 2, out_h / 2))


def get_udp_warp_matrix(
    center: Pair, scale: Pair, rotation: float, output_size: Pair
) -> np.ndarray:
    """Compute the map from an image to a crop of it in the UDP convention.

    `center` goes to (output_size - 1) / 2; the x axis of the crop lies along (cos, -sin) of the
    image.

    Args:
        center: middle of the crop in the image.
        scale: extent (w, h) of the crop in the image, between the outermost pixel centers.
        rotation: degrees.
        output_size: (w, h) of the output.

    Returns:
        (2, 3) float64.
    """
    (w, h), (out_w, out_h) = _floats(scale), _floats(output_size)
    sx, sy = (out_w - 1) / w, (out_h - 1) / h
    cos, sin = _cos_sin(rotation)
    middle = ((out_w - 1) / 2, (out_h - 1) / 2)
    return _about(cos * sx, -sin * sx, sin * sy, cos * sy, _floats(center), middle)


def get_pers_warp_matrix(
    center: Pair, translate: Pair, scale: float, rotation: float, shear: Pair
) -> np.ndarray:
    """Compose a map of scaling, rotation, shear and translation about a center.

    Args:
        center: point that stays in place but for `translate`.
        translate: move in pixels.
        scale: factor.
        rotation: degrees.
        shear: degrees along x and y.

    Returns:
        (3, 3) float64, translation . shear . rotation . scaling.
    """
    center = np.asarray(center, np.float64)
    cos, sin = _cos_sin(rotation)
    sheared = np.array(
        [[1.0, math.tan(math.radians(shear[0]))], [math.tan(math.radians(shear[1])), 1.0]]
    )
    linear = sheared @ np.array([[cos, -sin], [sin, cos]]) * scale
    matrix = np.eye(3)
    matrix[:2, :2] = linear
    matrix[:2, 2] = np.asarray(translate, np.float64) + center - linear @ center
    return matrix


def fix_aspect_ratio(scale: np.ndarray, aspect_ratio: float) -> np.ndarray:
    """Grow the short side of each extent to an aspect ratio.

    Args:
        scale: (..., 2) as (w, h).
        aspect_ratio: w / h to reach.

    Returns:
        Array of the same shape.
    """
    least = scale[..., ::-1] * aspect_ratio
    least[..., 1] = scale[..., 0] / aspect_ratio
    return np.maximum(scale, least)


def bottomup_resize_geometry(
    image_size: Sequence[int],
    input_size: Sequence[int],
    resize_mode: str = "fit",
    size_factor: int = 32,
    use_udp: bool = False,
) -> tuple[np.ndarray, tuple[int, int], np.ndarray, np.ndarray]:
    """Say how a whole image is put into a network's input.

    Args:
        image_size: (w, h) of the image.
        input_size: (w, h) asked for.
        resize_mode: `fit` shows the whole image inside of `input_size`; `expand` covers
            `input_size` with the image and lets the input grow.
        size_factor: the input's sides are multiples of it.
        use_udp: put the image at the top left in the UDP convention, not in the middle.

    Returns:
        The (2, 3) map from image to input, the input's actual (w, h), and the center and scale
        (float32, image space) that describe it as a crop.

    Raises:
        RayposeError: if `resize_mode` is unknown, or `fit` is asked for with an `input_size` that
            is no multiple of `size_factor`.
    """
    image = np.asarray(image_size, np.float64)
    padded = _ceil_to_multiple(input_size, size_factor)
    if resize_mode == "fit":
        if padded != tuple(input_size):
            raise RayposeError(
                f"with resize_mode 'fit' the sides of input_size are multiples of size_factor "
                f"{size_factor}, got {tuple(input_size)}; the next ones are {padded}"
            )
        resized = image * min(padded / image)
    elif resize_mode == "expand":
        resized = image * max(padded / image)
        padded = _ceil_to_multiple(np.round(resized, 6), size_factor)
    else:
        raise RayposeError(f"resize_mode is 'fit' or 'expand', got {resize_mode!r}")
    if use_udp:
        center, scale = (image - 1) / 2, image
        matrix = get_udp_warp_matrix(center, scale, 0.0, resized)
    else:
        center, scale = image / 2, image * padded / resized
        matrix = get_warp_matrix(center, scale, 0.0, padded)
    return matrix, padded, center.astype(np.float32), scale.astype(np.float32)


def warp_image(
    image: np.ndarray,
    matrix: np.ndarray,
    size: Sequence[int],
    border_value: float | Sequence[float] = 0,
) -> np.ndarray:
    """Warp an image, with linear interpolation.

    Args:
        image: (H, W) or (H, W, C).
        matrix: (2, 3), from the image to the output.
        size: (w, h) of the output.
        border_value: what is put outside of the image, one value or one for each channel.

    Returns:
        (h, w) or (h, w, C), of the image's dtype.
    """
    channels = image.shape[2] if image.ndim == 3 else 1
    if isinstance(border_value, (int, float)):
        fill = [border_value] * channels
    else:
        fill = np.broadcast_to(np.asarray(border_value), (channels,)).tolist()
    w, h = (int(side) for side in size)
    return cv2.warpAffine(
        image, matrix.astype(np.float64), (w, h), flags=cv2.INTER_LINEAR, borderValue=fill
    )


# Crops are described by a handful of numbers, for which arrays take longer than arithmetic.
def _floats(pair: Pair) -> tuple[float, float]:
    first, second = pair.tolist() if isinstance(pair, np.ndarray) else pair
    return float(first), float(second)


def _about(
    a: float, b: float, c: float, d: float, origin: tuple[float, float], target: tuple[float, float]
) -> np.ndarray:
    """Return the (2, 3) map with the linear part ((a, b), (c, d)) that takes origin to target."""
    (x, y), (to_x, to_y) = origin, target
    return np.array([[a, b, to_x - (a * x + b * y)], [c, d, to_y - (c * x + d * y)]])


def _cos_sin(degrees: float) -> tuple[float, float]:
    angle = math.radians(degrees)
    return math.cos(angle), math.sin(angle)


def _ceil_to_multiple(size: Pair, factor: int) -> tuple[int, int]:
    w, h = (math.ceil(side / factor) * factor for side in size)
    return w, h
