from __future__ import annotations

import numpy as np
import pytest

from raypose.errors import DataError
from raypose.transforms.segmentation import decode_rle, segmentations_to_mask


def compress(runs: list[int]) -> str:
    """Write run lengths as COCO's string, straight from its description."""
    text = ""
    for index, run in enumerate(runs):
        value = run - runs[index - 2] if index > 2 else run
        while True:
            bits, value = value & 31, value >> 5
            done = value == (-1 if bits & 16 else 0)
            text += chr(48 + bits + (0 if done else 32))
            if done:
                break
    return text


def run_lengths(mask: np.ndarray) -> list[int]:
    flat = np.concatenate([[0], mask.T.ravel(), [2]])
    edges = np.flatnonzero(np.diff(flat) != 0)
    return np.diff(np.concatenate([[0], edges])).tolist()


def test_columns_come_first() -> None:
    rle = {"size": [3, 4], "counts": [1, 2, 4, 1, 4]}
    expected = [[0, 0, 0, 0], [1, 0, 1, 0], [1, 0, 0, 0]]
    np.testing.assert_array_equal(decode_rle(rle, (4, 3)), expected)


def test_a_known_compressed_string() -> None:
    # 6 rows, 5 columns: 6 background pixels, 4 of the object, 20 background.
    mask = decode_rle({"size": [6, 5], "counts": "64d0"}, (5, 6))
    np.testing.assert_array_equal(np.flatnonzero(mask.T.ravel()), [6, 7, 8, 9])


@pytest.mark.parametrize("seed", range(5))
def test_compressed_and_plain_run_lengths_agree(seed: int) -> None:
    rng = np.random.default_rng(seed)
    mask = np.repeat(rng.integers(0, 2, (40, 7)), rng.integers(1, 90, 7), axis=1).astype(np.uint8)
    h, w = mask.shape
    runs = run_lengths(mask)
    for counts in (runs, compress(runs), compress(runs).encode()):
        np.testing.assert_array_equal(decode_rle({"size": [h, w], "counts": counts}, (w, h)), mask)


def test_objects_are_joined() -> None:
    rle = {"size": [4, 6], "counts": [0, 4, 20]}
    mask = segmentations_to_mask([rle, [[3, 0, 6, 0, 6, 4, 3, 4]], None or []], (6, 4))
    np.testing.assert_array_equal(mask[:, 0], 1)
    assert mask[1:3, 4].all()
    assert not mask[:, 1].any()


def test_run_lengths_of_another_size() -> None:
    with pytest.raises(DataError, match="run lengths of 24 pixels, the image has 5 x 4 = 20"):
        decode_rle({"size": [4, 6], "counts": [24]}, (5, 4))
    with pytest.raises(DataError, match="run lengths of 20 pixels"):
        decode_rle({"size": [4, 5], "counts": [25, -5]}, (5, 4))


@pytest.mark.parametrize(
    ("polygon", "counts"),
    [
        ([25.6, 5.6, 40.2, 5.6, 40.2, 20, 25.6, 20], "bh0>`00000000000000000000000000`4"),
        (
            [3.3, 2.1, 30.7, 8.9, 21.4, 27.6, 6.5, 19.2],
            "l21m05L4K6J1O010O001O010O1O0010O01O0010O0N2N2N3M2N2N2N3Mk=",
        ),
        (
            [10, 4, 44, 4, 10, 28, 44, 28],
            "^:1f00@1>0B0=1C0<0D1:0F180H080H160J140L040L120N10000O110N021L04=000CL04ON02OO11O000O"
            "20NO40L040LO60JO80H080HO:0FO<0DO=1CO>0BO`00X1",
        ),
        (
            [-3, -2, 20.5, 10.5, 50, 40],
            "01m010O010000O010O100O10O0100O100O010O100O10O100000000O1000000O100000000O10000O1Oi3",
        ),
    ],
    ids=["box", "slanted", "crossing itself", "beyond the border"],
)
def test_polygons_are_drawn_as_coco_does(polygon: list[float], counts: str) -> None:
    # The run lengths that COCO's own tools make of these polygons.
    want = decode_rle({"size": [30, 45], "counts": counts}, (45, 30))

    np.testing.assert_array_equal(segmentations_to_mask([[polygon]], (45, 30)), want)


def test_an_empty_polygon_covers_nothing() -> None:
    assert not segmentations_to_mask([[[]]], (6, 4)).any()
