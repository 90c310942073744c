"""3D drawing: directions of the view by hand, and limbs where they should be."""

from __future__ import annotations

import numpy as np
import pytest

from raypose.structures import Skeleton
from raypose.visualization import Viewpoint, draw_poses_3d

PAIR = Skeleton.load(
    {
        "name": "pair",
        "keypoints": ["low", "high"],
        "links": [{"link": ["low", "high"], "color": [255, 0, 0]}],
    }
)


@pytest.mark.parametrize(
    ("up", "vertical", "down"),
    [
        ("z", (0, 0, 1), -1),
        ("y", (0, 1, 0), -1),
        ("x", (1, 0, 0), -1),
        ("-y", (0, 1, 0), 1),
        ("-z", (0, 0, 1), 1),
    ],
)
def test_up_is_up(up: str, vertical: tuple[float, float, float], down: float) -> None:
    view = Viewpoint(azimuth=0, elevation=0, up=up).to_view(np.array(vertical, float))
    np.testing.assert_allclose(view, [0, down, 0], atol=1e-12)


def test_views_never_mirror() -> None:
    for up in ("x", "y", "z", "-x", "-y", "-z"):
        matrix = Viewpoint(azimuth=25, elevation=10, up=up).to_view(np.eye(3))
        assert np.linalg.det(matrix) == pytest.approx(1.0)


def test_azimuth_turns_and_elevation_looks_down() -> None:
    x_axis, z_axis = np.eye(3)[[0, 2]]
    quarter = Viewpoint(azimuth=90, elevation=0).to_view(x_axis)
    np.testing.assert_allclose(quarter, [0, 0, -1], atol=1e-12)
    above = Viewpoint(azimuth=0, elevation=90).to_view(z_axis)
    np.testing.assert_allclose(above, [0, 0, -1], atol=1e-12)  # the top is nearest


def test_the_limb_is_drawn_upright_in_the_middle() -> None:
    keypoints = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 1.7]])
    drawn = draw_poses_3d(keypoints, PAIR, viewpoint=Viewpoint(elevation=0), size=(100, 120))
    assert drawn.shape == (120, 100, 3)
    blue, green, red = drawn[60, 50].tolist()
    assert red > 150
    assert max(blue, green) < 40
    reddish = (drawn[..., 2] > 150) & (drawn[..., 1] < 40)
    rows, columns = np.nonzero(reddish)
    assert abs(columns.mean() - 50) < 1.5
    assert abs(rows.mean() - 60) < 2
    assert np.ptp(rows) > 60


def test_units_do_not_matter_and_several_people_fit() -> None:
    people = np.random.default_rng(0).normal(size=(3, 2, 3))
    metres, millimetres = draw_poses_3d(people, PAIR), draw_poses_3d(people * 1000, PAIR)
    assert np.mean(metres != millimetres) < 1e-3


def test_nobody_gives_an_empty_picture() -> None:
    drawn = draw_poses_3d(np.zeros((0, 2, 3)), PAIR, background=(1, 2, 3))
    assert (drawn == (1, 2, 3)).all()


def test_mistakes_are_said() -> None:
    with pytest.raises(ValueError, match=r"\(N, 2, 3\) expected for the skeleton 'pair', got"):
        draw_poses_3d(np.zeros((4, 5, 3)), PAIR)
    with pytest.raises(ValueError, match="up is one of x, y, z, -x, -y, -z, got 'w'"):
        Viewpoint(up="w").to_view(np.zeros(3))


def test_people_about_their_root_are_put_on_one_floor() -> None:
    """Someone who sits has the root as low as someone who stands has it high."""
    sitting = np.array([[0.0, 0.0, -0.3], [0.0, 0.0, 0.4]])
    standing = np.array([[1.0, 0.0, -0.9], [1.0, 0.0, 0.6]])
    people = np.stack([sitting, standing])
    on_floor = people - [[[0, 0, -0.3]], [[0, 0, -0.9]]]
    np.testing.assert_array_equal(
        draw_poses_3d(people, PAIR, grounded=True), draw_poses_3d(on_floor, PAIR)
    )
    assert (draw_poses_3d(people, PAIR) != draw_poses_3d(on_floor, PAIR)).any()
