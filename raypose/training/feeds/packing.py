"""Packing a training set: the parts of its images that crops may show, in a few large files.

On storage where opening a file is slow, a data set of a hundred thousand pictures reads as slowly
whatever their size is.
"""

from __future__ import annotations

import copy
import functools
import json
import multiprocessing
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from raypose.config import Config, build_dataset, build_pipeline
from raypose.datasets.packed_dataset import FORMAT, IMAGE_NUMBER, METADATA, SAMPLES
from raypose.datasets.packed_shards import ShardWriter
from raypose.errors import DataError, RayposeError
from raypose.ops.image_files import reading_once
from raypose.ops.packed_files import read_file
from raypose.structures import PoseSample
from raypose.structures.sample_schema import SAMPLE_SCHEMA
from raypose.training.feeds.order import part_sizes
from raypose.transforms.crop_reach import crop_reach

# A part is cut out where that saves a fifth of the bytes; the file itself loses nothing.
_WORTH = 0.8
_JPEG = b"\xff\xd8"
_ROWS = 2000
_CHUNK = 8


@dataclass(frozen=True, kw_only=True)
class PackOptions:
    """How images are kept.

    Attributes:
        quality: of JPEG for parts that are cut out, 1 to 100.
        lossless: PNG instead, several times as large.
        shard_bytes: of images in one file.
        num_workers: processes that read and cut; 0 does it in this one.
    """

    quality: int = 95
    lossless: bool = False
    shard_bytes: int = 256 << 20
    num_workers: int = 0


@dataclass(frozen=True, kw_only=True)
class Packed:
    """What was packed.

    Attributes:
        samples: number of them.
        images: number of their images.
        kept: of these, how many are the files that they were.
        size: bytes of all of them now.
        original_size: bytes that they had.
    """

    samples: int
    images: int
    kept: int
    size: int
    original_size: int


def pack(config: Config, out: Path, options: PackOptions, overwrite: bool = False) -> Packed:
    """Write the training set of a config into a folder for `PackedDataset`.

    Args:
        config: whose training set it is; its transforms say what crops may show.
        out: the folder; it is there once everything is.
        options: how images are kept.
        overwrite: replace what is packed there.

    Raises:
        RayposeError: if the folder holds something already.
        ConfigError: if it is not known what the transforms of the config show.
        DataError: if an image cannot be read.
    """
    if out.exists() and not (overwrite and (out / SAMPLES).is_file()):
        what = (
            "is packed already (--overwrite replaces it)" if (out / SAMPLES).is_file() else "exists"
        )
        raise RayposeError(f"{out} {what}; a new folder is expected")
    dataset = build_dataset(config, "train")
    skeleton = getattr(dataset, "skeleton", None) or config.skeleton
    if skeleton is None:
        raise RayposeError("the training set has no skeleton; name one in the config")
    partial = out.with_name(f".{out.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    images = _images_of(dataset)
    shards = ShardWriter(partial, options.shard_bytes)
    parts: list[_Part] = []
    original = 0
    for path, part in zip(images, _cut_all(config, dataset, images, options), strict=True):
        shards.add(path, part.data)
        original += part.original_size
        parts.append(part.without_data())
    shards.flush()
    facts = {
        "format": FORMAT,
        "skeleton": skeleton.to_dict(),
        "sizes": list(part_sizes(dataset)),
    }
    numbers = getattr(dataset, "image_numbers", lambda: None)()
    rows = _rows(dataset, images, shards.addresses, parts)
    _write_rows(partial / SAMPLES, rows, numbers, facts)
    if out.exists():
        shutil.rmtree(out)
    partial.rename(out)
    return Packed(
        samples=len(dataset),
        images=len(images),
        kept=sum(part.kept for part in parts),
        size=shards.size,
        original_size=original,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """What is kept of an image.

    Attributes:
        data: an image file.
        corner: x and y of its first pixel in the image; None for all of it.
        shape: (h, w) of the image.
        original_size: bytes of the file of the image.
        kept: `data` is that file.
    """

    data: bytes
    corner: tuple[int, int] | None
    shape: tuple[int, int]
    original_size: int
    kept: bool

    def without_data(self) -> _Part:
        return replace(self, data=b"")


def _images_of(dataset: Sequence[PoseSample]) -> dict[str, list[int]]:
    """Return the positions of the samples of each image, in order of the first of them."""
    images: dict[str, list[int]] = {}
    for position in range(len(dataset)):
        sample = dataset[position]
        if sample.img_path is None:
            raise DataError(f"sample {sample.id} has no image file: there is nothing to pack")
        images.setdefault(sample.img_path, []).append(position)
    return images


def _cut_all(
    config: Config,
    dataset: Sequence[PoseSample],
    images: dict[str, list[int]],
    options: PackOptions,
) -> Iterator[_Part]:
    tasks = ([dataset[position] for position in positions] for positions in images.values())
    if not options.num_workers:
        cut = functools.partial(_cut, _transforms(config), options)
        yield from map(cut, tasks)
        return
    with ExitStack() as stack:
        pool = stack.enter_context(
            ProcessPoolExecutor(
                options.num_workers,
                mp_context=multiprocessing.get_context("spawn"),
                initializer=_start_worker,
                initargs=(json.dumps(config.data), options),
            )
        )
        rows = ([sample.to_row() for sample in samples] for samples in tasks)
        # In batches, or all rows would be made at once.
        for batch in _batched(rows, options.num_workers * _CHUNK * 8):
            yield from pool.map(_cut_rows, batch, chunksize=_CHUNK)


def _batched(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    batch: list[Any] = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    yield batch


_work: list[Callable[[list[PoseSample]], _Part]] = []


def _start_worker(config: str, options: PackOptions) -> None:
    cv2.setNumThreads(1)
    transforms = _transforms(Config.from_resolved(json.loads(config)))
    _work.append(functools.partial(_cut, transforms, options))


def _cut_rows(rows: list[dict[str, Any]]) -> _Part:
    return _work[-1]([PoseSample.from_row(row) for row in rows])


def _transforms(config: Config) -> list[Sequence[Any]]:
    """Return the transforms of each stage of training."""
    stages: Any = build_pipeline(config, "train").stages
    return [stage.transforms for stage in stages.values()]


def _cut(stages: Sequence[Sequence[Any]], options: PackOptions, samples: list[PoseSample]) -> _Part:
    """Return what the samples of one image may show of it."""
    path = samples[0].img_path
    assert path is not None
    bounds, loaded = [], []
    with reading_once():
        for sample in samples:
            for number, transforms in enumerate(stages, start=1):
                # The transforms change it.
                probe = sample if number == len(stages) else copy.deepcopy(sample)
                bounds.append(crop_reach(transforms, probe))
                loaded.append(probe.image)
    image = loaded[0]
    if image is None or any(other is not image for other in loaded):
        raise DataError(f"{path}: LoadImage decodes it in more than one way, or not at all")
    height, width = image.shape[:2]
    low = np.floor(np.min([bound[:2] for bound in bounds], axis=0)).clip(0, (width, height))
    high = np.ceil(np.max([bound[2:] for bound in bounds], axis=0)).clip(0, (width, height)) + 1
    (x1, y1), (x2, y2) = low.astype(int).tolist(), high.astype(int).tolist()
    # A box outside of the image shows nothing of it, but a part has at least a pixel.
    x1, y1 = min(x1, width - 1), min(y1, height - 1)
    x2, y2 = min(max(x2, x1 + 1), width), min(max(y2, y1 + 1), height)
    original = read_file(path).tobytes()
    whole = _Part(
        data=original,
        corner=None,
        shape=(height, width),
        original_size=len(original),
        kept=True,
    )
    is_whole = (x1, y1, x2, y2) == (0, 0, width, height)
    if is_whole and (original.startswith(_JPEG) or options.lossless):
        return whole
    data = _encode(image[y1:y2, x1:x2], options)
    if len(data) > _WORTH * len(original):
        return whole
    return replace(whole, data=data, corner=None if is_whole else (x1, y1), kept=False)


def _encode(image: np.ndarray, options: PackOptions) -> bytes:
    if options.lossless:
        _, data = cv2.imencode(".png", image)
        return data.tobytes()
    sampling = cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444
    settings = [cv2.IMWRITE_JPEG_QUALITY, options.quality]
    settings += [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, sampling]
    _, data = cv2.imencode(".jpg", image, settings)
    return data.tobytes()


def _rows(
    dataset: Sequence[PoseSample],
    images: dict[str, list[int]],
    addresses: Sequence[str],
    parts: Sequence[_Part],
) -> Iterator[dict[str, Any]]:
    """Yield the rows of all samples, each with the address of its image and its place there."""
    number_of = {path: number for number, path in enumerate(images)}
    for position in range(len(dataset)):
        sample = dataset[position]
        assert sample.img_path is not None
        number = number_of[sample.img_path]
        part = parts[number]
        sample.img_path, sample.img_shape = addresses[number], part.shape
        if part.corner is not None:
            sample.pixels = np.eye(3)
            sample.pixels[:2, 2] = part.corner
        yield sample.to_row()


def _write_rows(
    path: Path, rows: Iterator[dict[str, Any]], numbers: Any, facts: dict[str, Any]
) -> None:
    schema = SAMPLE_SCHEMA.append(pa.field(IMAGE_NUMBER, pa.int64()))
    schema = schema.with_metadata({METADATA: json.dumps(facts).encode()})
    first = 0
    with pq.ParquetWriter(path, schema) as writer:
        for batch in _batched(rows, _ROWS):
            # Samples that are said to be of one image each stay so, whatever their files are.
            ours = np.arange(first, first + len(batch))
            ours = ours if numbers is None else numbers[ours]
            table = pa.Table.from_pylist(batch, schema=SAMPLE_SCHEMA)
            column = pa.array(ours, pa.int64())
            writer.write_table(table.append_column(IMAGE_NUMBER, column).cast(schema))
            first += len(batch)
