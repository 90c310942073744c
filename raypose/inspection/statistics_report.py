"""Numbers of labelled data as lines for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from raypose.inspection.statistics import PERCENTILES

Numbers = Mapping[str, Any]
_SPREADS = (
    ("image_width", "image width"),
    ("image_height", "image height"),
    ("keypoints_per_instance", "labelled keypoints"),
    ("box_width", "box width"),
    ("box_height", "box height"),
    ("box_aspect_ratio", "box width / height"),
    ("crop_scale", "crop scale"),
)


def statistics_lines(statistics: Numbers) -> Iterator[str]:
    """Yield the numbers of `source_statistics`."""
    for name, numbers in statistics["splits"].items():
        yield f"{name}: {numbers['file']}"
        for title, value in _facts(numbers):
            yield f"  {title:<22}{value}"
        yield ""
        yield from _spreads(numbers)
        yield ""
        yield from _keypoints(numbers)
        yield ""
    for name, total in statistics["totals"].items():
        yield (
            f"{name} in all: {total['files']} files, {total['images']} images, "
            f"{total['instances']} instances"
        )
    yield from statistics["notes"]


def _facts(numbers: Numbers) -> Iterator[tuple[str, str]]:
    empty, crowds = numbers["images_without_instances"], numbers["crowds"]
    yield "images", f"{numbers['images']}" + (f", {empty} without instances" if empty else "")
    yield "image sizes", _listed(numbers["image_sizes"]) or "nowhere said"
    yield "instances", f"{numbers['instances']}" + (f", and {crowds} crowds" if crowds else "")
    yield "instances an image", _listed(numbers["instances_per_image"])
    yield "keypoints labelled", f"{numbers['keypoints_labelled']:.1%}"
    if "crop_scale" in numbers:
        width, height = numbers["input_size"]
        yield "crops enlarged", f"{numbers['crops_enlarged']:.1%} to the input, {width} x {height}"
    yield "OKS", "; ".join(_obstacles_of_oks(numbers)) or "defined: sigmas and areas are there"


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} in {count}" for name, count in counts.items())


def _obstacles_of_oks(numbers: Numbers) -> Iterator[str]:
    """Yield why OKS, and with it CocoMetric, cannot be computed."""
    if not numbers["sigmas"]:
        yield "not defined: the skeleton has no sigmas (raypose data skeleton sigmas)"
    if numbers["areas_missing"]:
        yield (
            f"{numbers['areas_missing']} instances have no area, without which CocoMetric needs "
            "use_area: false"
        )


def _spreads(numbers: Numbers) -> Iterator[str]:
    yield "  " + " " * 20 + "".join(f"{f'{p} %':>10}" for p in PERCENTILES)
    for key, title in _SPREADS:
        values: Sequence[float] = numbers.get(key) or []
        if values:
            yield f"  {title:<20}" + "".join(f"{value:>10.4g}" for value in values)


def _keypoints(numbers: Numbers) -> Iterator[str]:
    width = max(20, *(len(name) for name in numbers["keypoints"]))
    yield f"  {'keypoint':<{width}}{'labelled':>10}{'of all':>10}{'visible':>10}{'hidden':>10}"
    for name, counts in numbers["keypoints"].items():
        yield (
            f"  {name:<{width}}{counts['labelled']:>10}{counts['share']:>10.1%}"
            f"{counts['visible']:>10}{counts['hidden']:>10}"
        )
