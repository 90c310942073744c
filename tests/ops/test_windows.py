from __future__ import annotations

import pytest

from raypose.ops.windows import frame_window


@pytest.mark.parametrize(
    ("arguments", "want"),
    [
        ((10, 4, False, 5, 1), [2, 3, 4, 5, 6]),
        ((10, 0, False, 5, 2), [0, 0, 0, 2, 4]),
        ((10, 9, False, 3, 1), [8, 9, 9]),
        ((10, 4, True, 3, 2), [0, 2, 4]),
        ((3, 1, True, 4, 1), [0, 0, 0, 1]),
        ((1, 0, False, 27, 1), [0] * 27),
    ],
)
def test_window(arguments: tuple[int, int, bool, int, int], want: list[int]) -> None:
    assert frame_window(*arguments).tolist() == want
