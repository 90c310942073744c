"""Parts of a report about errors: a table of keypoints, how errors spread, the worst cases."""

from __future__ import annotations

import numpy as np

from raypose.errors import DataError
from raypose.structures import PoseSample
from raypose.training.reports.sample_views import views_of_instance
from raypose.training.reports.validation_errors import ValidationErrors
from raypose.visualization import Badge, Chart, Example, Gallery, Histogram, Table

# Shares of the box that are thresholds of the table.
_PCK = (0.05, 0.1, 0.2)
_LARGEST_SHARE = 0.3
_SIZE = (480, 480)
# Frames of a video follow each other in a large data set: of so many parts of it one case each.
_NEIGHBOURS = 500


def error_table(found: ValidationErrors) -> Table:
    """Return the errors of each keypoint and of all of them."""
    errors = found.errors
    columns = ["keypoint", "labels"]
    columns += [f"{name} {found.unit}".rstrip() for name in ("mean", "median", "90 % below")]
    if not found.spatial:
        columns += ["mean, % of the box", *(f"PCK@{share:g}" for share in _PCK)]
    if found.has_oks:
        columns.append("OKS part")
    names = (*found.skeleton.keypoint_names, "all")
    picks = [*([k] for k in range(found.skeleton.num_keypoints)), slice(None)]
    missed = int((errors.matches < 0).sum())
    about = f"{len(errors)} annotated poses of the validation set"
    about += f"; {missed} of them were not found and have no distances." if missed else "."
    return Table(
        heading="Errors of each keypoint",
        about=about,
        columns=columns,
        rows=[(name, _row(found, pick)) for name, pick in zip(names, picks, strict=True)],
        bars=[columns[2]],
    )


def _row(found: ValidationErrors, pick: list[int] | slice) -> list[float | None]:
    """Return the numbers of some keypoints; a row of the table has None where none is labelled."""
    errors = found.errors
    distances, labelled = errors.distances[:, pick], errors.labelled[:, pick]
    count = int(labelled.sum())
    known = np.isfinite(distances)
    values = distances[known]
    row: list[float | None] = [count]
    row += (
        [float(values.mean()), *np.quantile(values, (0.5, 0.9)).tolist()]
        if len(values)
        else [None] * 3
    )
    if not found.spatial:
        shares = (distances / found.lengths[:, None])[known]
        row.append(100 * float(shares.mean()) if len(shares) else None)
        row += [float((shares < limit).sum()) / count if count else None for limit in _PCK]
    if found.has_oks:
        row.append(float(errors.parts[:, pick][labelled].mean()) if count else None)
    return row


def error_charts(found: ValidationErrors) -> list[Chart | Histogram]:
    """Return how errors spread: of keypoints, of whole poses, and as a share of the box."""
    errors = found.errors
    distances = errors.distances[np.isfinite(errors.distances)]
    means = errors.means[np.isfinite(errors.means)]
    label = f"error, {found.unit}".rstrip(", ")
    charts: list[Chart | Histogram] = [
        Histogram(title="Keypoints", x_label=label, values=distances.tolist()),
        Histogram(title="Poses, mean of their keypoints", x_label=label, values=means.tolist()),
    ]
    if not found.spatial:
        shares = errors.distances / found.lengths[:, None]
        shares = shares[np.isfinite(shares)]
        count = max(int(errors.labelled.sum()), 1)
        limits = np.linspace(0, _LARGEST_SHARE, 61).tolist()
        curve = [(100 * limit, float((shares < limit).sum()) / count) for limit in limits]
        charts.append(
            Chart(
                title="Keypoints nearer than a share of the box (PCK)",
                x_label="% of the longer side of the box",
                series={"share of keypoints": curve},
            )
        )
    return charts


def worst_cases(found: ValidationErrors, count: int) -> Gallery:
    """Return the poses with the largest errors; one whose picture cannot be read says why."""
    examples = []
    for row in found.errors.worst(count, apart=len(found.dataset) // _NEIGHBOURS):
        try:
            examples.append(example_of(found, row))
        except DataError as error:
            examples.append(Example(views=[], caption=str(error)))
    ranked = "Lowest OKS" if found.has_oks else "Largest error"
    about = f"{ranked} first."
    if not found.spatial:
        about += " White lines lead to where keypoints should be."
    return Gallery(heading="Where it fails", about=about, examples=examples)


def example_of(found: ValidationErrors, row: int) -> Example:
    """Return one pose with what was predicted for it.

    Args:
        found: the errors.
        row: which of them.

    Raises:
        DataError: if its picture cannot be read.
    """
    position = int(found.errors.samples[row])
    sample = found.dataset[position]
    views = views_of_instance(
        sample,
        found.answers[position],
        int(found.errors.instances[row]),
        int(found.errors.matches[row]),
        found.skeleton,
        color_type=found.color_type,
        size=_SIZE,
    )
    return Example(views=views, caption=_caption(found, row, sample), badge=_badge(found, row))


def _caption(found: ValidationErrors, row: int, sample: PoseSample) -> str:
    """Return whose pose it is and how wrong: `12 (images/a.jpg): mean 3 px, most at nose 9 px`."""
    name = sample.id if sample.img_path is None else f"{sample.id} ({sample.img_path})"
    if found.errors.matches[row] < 0:
        return f"{name}: not found"
    distances = found.errors.distances[row]
    most = int(np.nanargmax(distances))
    joint = found.skeleton.keypoint_names[most]
    return (
        f"{name}: mean {found.errors.means[row]:.3g} {found.unit}, "
        f"most at {joint}, {distances[most]:.3g} {found.unit}"
    )


def _badge(found: ValidationErrors, row: int) -> Badge:
    oks = float(found.errors.oks[row])
    if np.isfinite(oks):
        return Badge.of_oks(oks)
    return Badge(text=f"{found.errors.means[row]:.3g} {found.unit}".rstrip(), grade="poor")
