"""How the weights of a file fit a model, and how to say it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from raypose.errors import did_you_mean

Shape = tuple[int, ...]
_LISTED = 5


@dataclass(frozen=True)
class Fit:
    """Keys of a file against those of a model.

    Attributes:
        fitting: in both, with the same shape.
        missing: key -> shape of what only the model has.
        unexpected: key -> shape of what only the file has.
        misshapen: key -> shapes in the model and in the file.
    """

    fitting: tuple[str, ...]
    missing: Mapping[str, Shape]
    unexpected: Mapping[str, Shape]
    misshapen: Mapping[str, tuple[Shape, Shape]]

    @property
    def perfect(self) -> bool:
        """Return whether everything fits."""
        return not (self.missing or self.unexpected or self.misshapen)

    def report(self) -> str:
        """Say what does not fit, the first few of each kind."""
        counts = [
            (self.misshapen, "of another shape"),
            (self.missing, "missing"),
            (self.unexpected, "unexpected"),
        ]
        head = ", ".join(f"{len(keys)} {what}" for keys, what in counts if keys)
        lines = [f"{head or 'no key'}; {len(self.fitting)} keys fit"]
        shapes = [
            f"{key} is {ours} in the model, {theirs} in the file"
            for key, (ours, theirs) in self.misshapen.items()
        ]
        lines += _first("another shape", shapes)
        # The same for all keys below one wrong name: the list stays short enough to compare.
        others = list(self.unexpected)[:200]
        missing = [
            f"{key} {shape}.{did_you_mean(key, others)}" if i < _LISTED else key
            for i, (key, shape) in enumerate(self.missing.items())
        ]
        lines += _first("missing in the file", missing)
        extra = [f"{key} {shape}" for key, shape in self.unexpected.items()]
        lines += _first("unexpected in the file", extra)
        return "\n".join(lines)


def compare(model: nn.Module, weights: Mapping[str, Tensor]) -> Fit:
    """Compare the weights of a file with the state dict of a model."""
    ours = {key: tuple(value.shape) for key, value in model.state_dict(keep_vars=True).items()}
    theirs = {key: tuple(value.shape) for key, value in weights.items()}
    both = [key for key in ours if key in theirs]
    # Counters of batch norms are younger than some files, and training alone uses them.
    missing = {
        key: shape
        for key, shape in ours.items()
        if key not in theirs and not key.endswith("num_batches_tracked")
    }
    return Fit(
        fitting=tuple(key for key in both if ours[key] == theirs[key]),
        missing=missing,
        unexpected={key: shape for key, shape in theirs.items() if key not in ours},
        misshapen={key: (ours[key], theirs[key]) for key in both if ours[key] != theirs[key]},
    )


def _first(title: str, items: list[str]) -> list[str]:
    lines = [f"  {title}: {item}" for item in items[:_LISTED]]
    if len(items) > _LISTED:
        lines.append(f"  {title}: ... and {len(items) - _LISTED} more")
    return lines
