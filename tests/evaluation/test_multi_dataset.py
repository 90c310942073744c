from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from raypose.errors import ConfigError, DataError
from raypose.evaluation import EPE, CocoMetric, MultiDatasetEvaluator
from raypose.registry import METRICS
from raypose.structures import Skeleton


def test_every_dataset_has_numbers_of_its_own(
    make_pairs: Callable[..., list[Any]], skeleton: Skeleton
) -> None:
    near, far = make_pairs(6, noise=1.0, dataset=0), make_pairs(9, noise=9.0, dataset=1)
    for number, (sample, _) in enumerate([*near, *far]):
        sample.id, sample.index = f"{sample.meta['dataset']}/{sample.id}", number
    metric = METRICS.build(
        {
            "type": "MultiDatasetEvaluator",
            "datasets": ["lab", "field"],
            "metrics": [{"type": "EPE"}, [{"type": "EPE"}, {"type": "CocoMetric"}]],
            "skeleton": skeleton,
        }
    )
    for pair in [*far, *near]:
        metric.update(*pair)
    numbers = metric.compute()
    # Both data sets have images with the same ids; they are not mixed up.
    for name, pairs, alone in (
        ("lab", near, EPE()),
        ("field", far, EPE()),
        ("field", far, CocoMetric(skeleton=skeleton)),
    ):
        for pair in pairs:
            alone.update(*pair)
        expected = {f"{name}/{key}": value for key, value in alone.compute().items()}
        assert {key: numbers[key] for key in expected} == expected
    assert len(numbers) == 1 + 1 + 10
    assert numbers["lab/EPE"] < numbers["field/EPE"]


def test_a_sample_of_no_part(make_pairs: Callable[..., list[Any]]) -> None:
    metric = MultiDatasetEvaluator(["lab"], [{"type": "EPE"}])
    with pytest.raises(DataError, match=r"1 parts of a CombinedDataset, .* is of part None"):
        metric.update(*make_pairs(1)[0])


def test_as_many_metrics_as_datasets() -> None:
    with pytest.raises(ConfigError, match="for each of the 2 datasets, got 1"):
        MultiDatasetEvaluator(["a", "b"], [{"type": "EPE"}])
    with pytest.raises(ConfigError, match="names that do not repeat"):
        MultiDatasetEvaluator(["a", "a"], [{"type": "EPE"}, {"type": "EPE"}])
