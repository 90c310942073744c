"""From a checked config to objects, through the registries.

The skeleton of the config goes to every class that takes one and does not set its own.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from raypose.config.config import Config
from raypose.config.sections import SplitSection, TrainSplitSection
from raypose.errors import ConfigError
from raypose.registry import CODECS, DATASETS, METRICS, MODELS, TRANSFORMS, Registry
from raypose.structures import PoseSample, Skeleton

if TYPE_CHECKING:  # codecs are imported by the registry, when one is looked up
    from raypose.codecs.base import BaseKeypointCodec

Split = Literal["train", "val"]


@dataclass(frozen=True)
class Pipeline:
    """Transforms of a split: `pipeline(sample, epoch)` is the sample for the model, or None.

    Attributes:
        stages: first epoch (from 0) -> composed transforms from then on.
    """

    stages: Mapping[int, Callable[[PoseSample, int], PoseSample | None]]

    def __call__(self, sample: PoseSample, epoch: int = 0) -> PoseSample | None:
        """Return the transformed sample, None if a transform drops it."""
        first = max(start for start in self.stages if start <= epoch)
        return self.stages[first](sample, epoch)


def build_codec(config: Config) -> BaseKeypointCodec | None:
    """Return the codec that makes targets, None if the config has none."""
    node = config.data.get("codec")
    return None if node is None else CODECS.build(node)


def build_model(config: Config, skeleton: Skeleton | None = None) -> Any:
    """Return the estimator, its parameters as the constructor made them.

    Args:
        config: the experiment.
        skeleton: that of the data, for a config without one.
    """
    return _build(MODELS, config.data["model"], {"skeleton": config.skeleton or skeleton})


def build_dataset(config: Config, split: Split) -> Sequence[PoseSample]:
    """Return the records of a split, images not yet read.

    Raises:
        ConfigError: if the config does not have the split.
    """
    section = _split(config, split)
    handed = {"skeleton": config.skeleton}
    if isinstance(section, TrainSplitSection) and section.add:
        return _build(DATASETS, _combined(section, handed), handed)
    return _build(DATASETS, section.dataset, handed)


def _combined(section: TrainSplitSection, handed: Mapping[str, Any]) -> dict[str, Any]:
    """Return the training split and what is added to it as one `CombinedDataset`."""
    if _is_combined(section.dataset):
        whole = dict(section.dataset)
        skeleton = whole.get("skeleton") or handed["skeleton"]
        parts = list(whole["datasets"])
    else:
        first = _build(DATASETS, section.dataset, handed)
        whole: dict[str, Any] = {"type": "CombinedDataset"}
        skeleton = getattr(first, "skeleton", None) or handed["skeleton"]
        parts = [first]
    parts += [of_skeleton(node, skeleton) for node in section.add]
    return {**whole, "skeleton": skeleton, "datasets": parts}


def _is_combined(node: Mapping[str, Any]) -> bool:
    return str(node["type"]).rsplit(".", 1)[-1] == "CombinedDataset"


def of_skeleton(node: Mapping[str, Any], skeleton: Any) -> Mapping[str, Any]:
    """Return a dataset that is added, of the skeleton of the others unless it has one itself."""
    entry = DATASETS.get(node["type"])
    own = node.get("skeleton") or node.get("pipeline") or getattr(entry, "default_skeleton", None)
    takes = "skeleton" in inspect.signature(entry).parameters
    return {**node, "skeleton": skeleton} if takes and skeleton and not own else node


def build_pipeline(config: Config, split: Split) -> Pipeline:
    """Return the transforms of a split.

    Raises:
        ConfigError: if the config does not have the split.
    """
    section = _split(config, split)
    starts = {0: section.pipeline}
    if isinstance(section, TrainSplitSection) and section.switch is not None:
        starts[section.switch.epoch] = section.switch.pipeline
    compose = {
        "type": "Compose",
        "seed": config.train.seed,
        "reduced_decode": split == "train" and config.data_options.reduced_decode,
    }
    stages = {
        epoch: TRANSFORMS.build({**compose, "transforms": steps}) for epoch, steps in starts.items()
    }
    return Pipeline(stages)


def sample_shares(config: Config) -> tuple[tuple[int, tuple[float, ...]], ...]:
    """Return what `sample_ratio_factor` says: pairs of a first epoch and a share of each part."""
    section = config.data_options.train
    if section is None:
        return ()
    given = {0: section.sample_ratio_factor}
    if section.switch is not None:
        given[section.switch.epoch] = section.switch.sample_ratio_factor
    base = len(section.dataset["datasets"]) if _is_combined(section.dataset) else 1
    return tuple(
        (epoch, (*shares, *([1.0] * len(section.add) if len(shares) == base else [])))
        for epoch, shares in given.items()
        if shares is not None
    )


def build_metrics(config: Config, skeleton: Skeleton | None = None) -> list[Any]:
    """Return the metrics of the config.

    Where validation goes by detected boxes, metrics get the annotation file that is beside them.

    Args:
        config: the experiment.
        skeleton: that of the data, for a config without one.
    """
    handed: dict[str, Any] = {"skeleton": config.skeleton or skeleton}
    val = config.data_options.val
    if val is not None and val.dataset.get("bbox_file") is not None:
        # Samples that are detections bring no annotations.
        folder = val.dataset.get("data_root") or ""
        handed["ann_file"] = os.path.join(folder, val.dataset.get("ann_file", ""))
    return [_build(METRICS, node, handed) for node in config.data.get("metrics", [])]


def _split(config: Config, split: Split) -> SplitSection:
    section = config.data_options.train if split == "train" else config.data_options.val
    if section is None:
        raise ConfigError(f"{config.path or 'the config'}: data.{split} is missing")
    return section


def _build(registry: Registry, node: dict[str, Any], handed: Mapping[str, Any]) -> Any:
    """Build an entry with those of the values handed to it that it takes."""
    parameters = inspect.signature(registry.get(node["type"])).parameters
    known = {k: v for k, v in handed.items() if k in parameters and v is not None}
    return registry.build(node, **known)
