from __future__ import annotations

import math

import pytest
import torch

from raypose.codecs import SimCCLabel


def test_a_gaussian_label_by_hand() -> None:
    codec = SimCCLabel([8, 6], sigma=[1.0, 2.0], simcc_split_ratio=2, normalize=False)

    # 2.3 px are 4.6 bins and round to 5; 1.25 px are 2.5 bins and round to the even 2.
    targets = codec.encode(torch.tensor([[[[2.3, 1.25]]]]))

    x = [math.exp(-((i - 5) ** 2) / 2) for i in range(16)]
    y = [math.exp(-((i - 2) ** 2) / 8) for i in range(12)]
    torch.testing.assert_close(targets["keypoint_x_labels"][0, 0, 0], torch.tensor(x))
    torch.testing.assert_close(targets["keypoint_y_labels"][0, 0, 0], torch.tensor(y))


def test_normalised_labels_sum_to_one() -> None:
    labels = SimCCLabel([192, 256], sigma=6.0).encode(torch.tensor([[[[96.0, 128.0]]]]))

    assert labels["keypoint_x_labels"].sum().item() == pytest.approx(1, abs=1e-5)
    assert labels["keypoint_y_labels"].sum().item() == pytest.approx(1, abs=1e-5)


def test_no_label_is_a_denormal_number() -> None:
    labels = SimCCLabel([192, 256], sigma=2.0).encode(torch.tensor([[[[3.0, 128.0]]]]))
    values = labels["keypoint_x_labels"]

    assert ((values == 0) | (values >= torch.finfo(torch.float32).tiny)).all()
    assert (values == 0).any()


def test_a_smoothed_label_by_hand() -> None:
    codec = SimCCLabel(
        [5, 3], smoothing_type="standard", simcc_split_ratio=1, label_smooth_weight=0.2
    )

    targets = codec.encode(torch.tensor([[[[1.0, 2.0]]]]))

    assert targets["keypoint_x_labels"].flatten().tolist() == pytest.approx(
        [0.05, 0.8, 0.05, 0.05, 0.05]
    )
    assert targets["keypoint_y_labels"].flatten().tolist() == pytest.approx([0.1, 0.1, 0.8])


@pytest.mark.parametrize(
    ("smoothing_type", "x", "weight"),
    [
        # Half of a 3 sigma window is 6 bins: it reaches in from 2 px but not from 4 px outside.
        ("gaussian", -2.0, 1.0),
        ("gaussian", -4.0, 0.0),
        ("gaussian", 21.0, 1.0),
        ("gaussian", 25.0, 0.0),
        ("standard", -1.0, 0.0),
        ("standard", 0.0, 1.0),
        ("standard", 19.5, 1.0),
        ("standard", 20.0, 0.0),
    ],
)
def test_keypoints_outside_lose_their_weight(smoothing_type: str, x: float, weight: float) -> None:
    codec = SimCCLabel([20, 20], smoothing_type=smoothing_type, sigma=2.0)

    targets = codec.encode(torch.tensor([[[[x, 10.0]]]]))

    assert targets["keypoint_weights"].item() == weight
    assert bool(targets["keypoint_x_labels"].any()) == bool(weight)
    assert bool(targets["keypoint_y_labels"].any()) == bool(weight)


def test_visibility_is_the_probability_of_the_peak() -> None:
    codec = SimCCLabel(
        [4, 4], sigma=2.0, simcc_split_ratio=1, decode_visibility=True, decode_beta=3
    )
    x, y = torch.tensor([[[0.0, 0.5, 0.0, 0.0]]]), torch.tensor([[[0.0, 0.0, 0.0, 0.4]]])

    keypoints, (scores, visibility) = codec.decode((x, y))

    assert keypoints.tolist() == [[[[1.0, 3.0]]]]
    assert scores.item() == pytest.approx(0.4)
    assert visibility.item() == pytest.approx(math.exp(2.4) / (math.exp(2.4) + 3))


def test_vectors_without_a_positive_value_have_no_keypoint() -> None:
    keypoints, scores = SimCCLabel([4, 4]).decode((torch.zeros(1, 1, 8), -torch.ones(1, 1, 8)))

    assert keypoints.tolist() == [[[[-0.5, -0.5]]]]  # bin -1 of half a pixel
    assert scores.tolist() == [[[-1.0]]]


def test_instances_keep_their_axis() -> None:
    codec = SimCCLabel([8, 8], sigma=1.0)
    points = torch.tensor([[[[1.0, 2.0]], [[5.0, 6.5]]]])
    targets = codec.encode(points)

    decoded, scores = codec.decode((targets["keypoint_x_labels"], targets["keypoint_y_labels"]))

    assert torch.equal(decoded, points)
    assert scores.shape == (1, 2, 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"smoothing_type": "gausian"}, "'gaussian' or 'standard', got 'gausian'"),
        ({"label_smooth_weight": 0.1}, "label_smooth_weight belongs to smoothing_type 'standard'"),
        ({"smoothing_type": "standard", "label_smooth_weight": 1.5}, r"in 0\.\.1, got 1\.5"),
        ({"sigma": [1.0, 2.0, 3.0]}, r"sigma is one number or \(x, y\)"),
    ],
)
def test_wrong_arguments(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SimCCLabel([192, 256], **arguments)  # pyright: ignore[reportArgumentType]


def test_vectors_of_another_length_are_refused() -> None:
    with pytest.raises(ValueError, match="decodes 384 bins in x and 512 in y, got 192 and 512"):
        SimCCLabel([192, 256]).decode((torch.zeros(1, 1, 192), torch.zeros(1, 1, 512)))
