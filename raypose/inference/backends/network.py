"""`Network`: the part of an estimator that is a pure function of tensors, and its place in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from raypose.errors import RayposeError
from raypose.inference.backends.nested import flatten
from raypose.models.estimators.base import BasePoseEstimator
from raypose.structures import PoseBatch

Run = Callable[[Any], Any]


class Network(nn.Module):
    """What a backend runs: normalised inputs in, nested tensors out.

    Args:
        estimator: in evaluation mode.
        with_head: the outputs are those of the head's `network_method`, which all of its
            `predict` is made from; otherwise they are the features that the head gets.
    """

    def __init__(self, estimator: BasePoseEstimator, with_head: bool) -> None:
        super().__init__()
        self.estimator = estimator
        self.with_head = with_head
        # Kept here, since the estimator's own are replaced while a backend runs.
        self._features: Run = estimator.extract_feat
        self._outputs: Run | None = None
        if with_head:
            head = estimator.required_head()
            self._outputs = getattr(head, _method(head))
        self._replaced: list[tuple[nn.Module, str]] = []
        self.eval()

    def nested(self, inputs: Tensor) -> Any:
        """Return the outputs as `predict` wants them."""
        feats = self._features(inputs)
        return feats if self._outputs is None else self._outputs(feats)

    def forward(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """Return the outputs as a flat tuple, as a file of a network has them."""
        return tuple(flatten(self.nested(inputs)))

    def install(self, run: Run) -> None:
        """Let the estimator's `predict` take the outputs from `run`.

        The methods of this one object are replaced, so that it does not matter what class of
        ours or a user's they come from.
        """
        if not self.with_head:
            self._replace(self.estimator, "extract_feat", run)
            return
        head = self.estimator.required_head()
        self._replace(self.estimator, "extract_feat", lambda inputs: Outputs(run(inputs)))
        self._replace(head, _method(head), lambda feats: feats.value)

    def restore(self) -> None:
        """Undo `install`."""
        while self._replaced:
            module, name = self._replaced.pop()
            del module.__dict__[name]

    def _replace(self, module: nn.Module, name: str, function: Run) -> None:
        module.__dict__[name] = function
        self._replaced.append((module, name))


def _method(head: nn.Module) -> str:
    # A user's head may be a plain module.
    return getattr(head, "network_method", "forward")


class Outputs:
    """What a head gets for features while a backend computes its outputs, too.

    It holds them for the head's `network_method`; a head that reads features in other ways, too,
    fails on it.
    """

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


@dataclass(frozen=True)
class Call:
    """One call of the network by `predict`.

    Attributes:
        inputs: what it got.
        outputs: what torch answers, nested.
    """

    inputs: Tensor
    outputs: Any


def watch(estimator: BasePoseEstimator, batches: Sequence[PoseBatch]) -> tuple[Network, list[Call]]:
    """Predict batches and see what `predict` asks of the network.

    Returns:
        The largest network that it can be made from, with the head if the head reads features by
        its `network_method` only; and the calls of it.

    Raises:
        RayposeError: if `predict` does not go through `extract_feat`, or cannot predict.
    """
    if estimator.head is not None:
        network = Network(estimator, with_head=True)
        try:
            return network, _calls(network, batches)
        except Exception:
            # This head reads features in other ways, too. What else may be wrong shows below.
            pass
    network = Network(estimator, with_head=False)
    return network, _calls(network, batches)


def _calls(network: Network, batches: Sequence[PoseBatch]) -> list[Call]:
    calls: list[Call] = []

    def run(inputs: Tensor) -> Any:
        outputs = network.nested(inputs)
        calls.append(Call(inputs, outputs))
        return outputs

    with _installed(network, run):
        for batch in batches:
            network.estimator.predict(batch)
    if not calls:
        raise RayposeError(
            f"{type(network.estimator).__name__}.predict does not go through extract_feat()"
        )
    return calls


@contextmanager
def _installed(network: Network, run: Run) -> Iterator[None]:
    network.install(run)
    try:
        yield
    finally:
        network.restore()
