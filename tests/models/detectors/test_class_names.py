from __future__ import annotations

import json

import numpy as np
import pytest

from raypose.errors import ConfigError
from raypose.models.detectors.class_names import (
    COCO_CLASSES,
    find_classes,
    names_by_number,
    names_in_metadata,
)


def test_the_classes_of_coco_are_where_detectors_have_them() -> None:
    assert len(COCO_CLASSES) == len(set(COCO_CLASSES)) == 80
    places = {"person": 0, "bird": 14, "cat": 15, "giraffe": 23, "chair": 56, "toothbrush": 79}
    assert {name: COCO_CLASSES.index(name) for name in places} == places


def test_names_by_number() -> None:
    assert names_by_number(80) == COCO_CLASSES
    assert names_by_number(1) == ("person",)
    assert names_by_number(3) == ()


@pytest.mark.parametrize(
    ("metadata", "names"),
    [
        ({"names": "{0: 'mouse', 1: 'rat', 10: 'cat'}"}, ("mouse", "rat", "cat")),
        ({"names": json.dumps({"0": "a", "2": "c", "10": "k"})}, ("a", "c", "k")),
        ({"classes": json.dumps(["mouse", "rat"])}, ("mouse", "rat")),
        ({"class_names": "mouse, rat"}, ("mouse", "rat")),
        ({"author": "me", "names": ""}, ()),
        ({"classes": "3"}, ()),
    ],
)
def test_names_in_metadata(metadata: dict[str, str], names: tuple[str, ...]) -> None:
    assert names_in_metadata(metadata) == names


def test_classes_by_name_index_and_group() -> None:
    np.testing.assert_array_equal(find_classes(["dog", 0], COCO_CLASSES, "x"), [0, 16])
    np.testing.assert_array_equal(find_classes(["animal"], COCO_CLASSES, "x"), range(15, 24))
    np.testing.assert_array_equal(find_classes(["animal"], ("dog", "hen"), "x"), [0])
    np.testing.assert_array_equal(find_classes(["animal"], ("animal",), "x"), [0])
    np.testing.assert_array_equal(find_classes("dog", COCO_CLASSES, "x"), [16])
    np.testing.assert_array_equal(find_classes([7], (), "x"), [7])


def test_classes_that_are_not_there() -> None:
    with pytest.raises(ConfigError) as caught:
        find_classes(["persn", 80, "animal"], (*COCO_CLASSES[:15], "mouse"), "net.onnx")
    first, second, third = caught.value.problems
    assert first.startswith("net.onnx finds no 'persn'. Did you mean 'person'? It finds person, ")
    assert first.endswith("and 6 more")
    assert second == "net.onnx: classes are 0 to 15, got 80"
    assert third.startswith("net.onnx finds no 'animal'.")
    with pytest.raises(ConfigError, match="does not say what its classes are called, so 'dog'"):
        find_classes(["dog"], (), "net.onnx")
