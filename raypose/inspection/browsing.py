"""The page of `raypose data browse`: samples before and after their transforms, and as targets."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml

import raypose
from raypose.config import Config, Split
from raypose.config.building import build_codec, build_dataset, build_pipeline
from raypose.errors import DataError, RayposeError
from raypose.inspection.sample_pictures import SamplePictures
from raypose.inspection.sources import color_type_of, read_config_labels
from raypose.inspection.visibility import MarkedDataset
from raypose.structures import PoseSample, Skeleton
from raypose.visualization import Badge, Example, Facts, Gallery, Report
from raypose.visualization.report_parts import section

_ABOUT = (
    "Discs are visible keypoints, rings are hidden ones; what is not labelled is not drawn. The "
    "yellow outline is what the network sees. --ids shows samples by their number."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which samples are shown, and how.

    Attributes:
        split: of the config.
        count: samples chosen at random.
        seed: of the choice.
        ids: samples to show instead, by `PoseSample.id`.
        epoch: whose random numbers the transforms draw, from 0.
        draws: epochs from there on, each transformed anew.
    """

    split: Split = "train"
    count: int = 24
    seed: int = 0
    ids: Sequence[str] = ()
    epoch: int = 0
    draws: int = 1


def browse(config: Config, choice: Choice) -> Report:
    """Return the page of a split of a config.

    Transforms draw the random numbers that they draw in training, so pictures are those of a run.

    Args:
        config: whose data and transforms are shown.
        choice: of what.

    Raises:
        ConfigError: if the config does not have the split.
        RayposeError: if a sample is asked for that is not there, or its data cannot be used.
    """
    dataset = build_dataset(config, choice.split)
    if not len(dataset):
        raise DataError(f"data.{choice.split} has no sample")
    skeleton = getattr(dataset, "skeleton", None) or config.skeleton
    if skeleton is None:
        raise RayposeError("neither the config nor its dataset says what the keypoints are")
    skeleton = Skeleton.load(skeleton)
    section = getattr(config.data_options, choice.split)
    pictures = SamplePictures(
        dataset=dataset,
        marked=MarkedDataset(dataset, read_config_labels(config, [choice.split]).labels),
        pipeline=build_pipeline(config, choice.split),
        codec=build_codec(config),
        skeleton=skeleton,
        color_type=color_type_of(section.pipeline),
    )
    epochs = range(choice.epoch, choice.epoch + choice.draws)
    examples = [_example(pictures, int(index), epochs) for index in _chosen(dataset, choice)]
    name = "" if config.path is None else config.path.stem
    return Report(
        title=f"{name}: {choice.split}" if name else choice.split,
        summary=f"{len(examples)} of {len(dataset)} samples, before and after the transforms.",
        parts=[
            Gallery(heading="Samples", about=_ABOUT, examples=examples, large=True),
            _Keypoints(skeleton),
            _facts(config, choice, section.pipeline),
        ],
        footer=f"raypose {raypose.__version__}",
    )


def _chosen(dataset: Sequence[PoseSample], choice: Choice) -> npt.NDArray[np.int64]:
    if not choice.ids:
        random = np.random.default_rng(choice.seed)
        count = min(choice.count, len(dataset))
        return np.sort(random.choice(len(dataset), count, replace=False))
    places = {dataset[index].id: index for index in range(len(dataset))}
    lacking = [name for name in choice.ids if name not in places]
    if lacking:
        some = ", ".join([*places][:3])
        raise RayposeError(
            f"data.{choice.split} has no sample {', '.join(lacking)}; ids are like {some}"
        )
    return np.array([places[name] for name in choice.ids], np.int64)


def _example(pictures: SamplePictures, index: int, epochs: Sequence[int]) -> Example:
    views, sample, dropped = pictures.views(index, epochs)
    name = sample.id if sample.img_path is None else os.path.basename(sample.img_path)
    count = 0 if sample.keypoints is None else len(sample.keypoints)
    what = f", {count} instances" if count > 1 and sample.img_path is not None else ""
    badge = Badge(text="dropped by the transforms", grade="poor") if dropped else None
    caption = name if name == sample.id else f"{sample.id}: {name}"
    return Example(views=views, caption=caption + what, badge=badge)


@dataclass(frozen=True)
class _Keypoints:
    """The names of keypoints with their colours, and which mirror each other."""

    skeleton: Skeleton

    def to_html(self) -> str:
        """Return the list."""
        names = self.skeleton.keypoint_names
        items = "".join(
            f'<span><i style="background:rgb{color};outline:1px solid var(--edge)"></i>'
            f"{escape(name)}</span>"
            for name, color in zip(names, self.skeleton.keypoint_colors, strict=True)
        )
        pairs = ", ".join(
            f"{names[i]} and {names[j]}" for i, j in enumerate(self.skeleton.flip_indices) if i < j
        )
        about = f'<p class="about">Flips exchange {escape(pairs or "no keypoints")}.</p>'
        heading = f"Keypoints of {escape(self.skeleton.name)}"
        return section(heading, f'{about}<div class="legend">{items}</div>')


def _facts(config: Config, choice: Choice, pipeline: Sequence[Any]) -> Facts:
    last = choice.epoch + choice.draws - 1
    facts = {
        "Config": "" if config.path is None else str(config.path),
        "Seed": str(config.train.seed),
        "Epochs": str(choice.epoch) if last == choice.epoch else f"{choice.epoch} to {last}",
        "Codec": str((config.data.get("codec") or {}).get("type", "")),
    }
    text = yaml.safe_dump(list(pipeline), sort_keys=False, default_flow_style=None, width=110)
    name = f"data.{choice.split}.pipeline"
    return Facts(heading="How they were made", facts=facts, text_name=name, text=text)
