"""A network of torch to ONNX.

torch has two exporters. The older one traces a call and takes a second, but layers that turn
sizes into numbers get those of the traced call; the newer one understands sizes, needs
`onnxscript` and takes up to minutes. So the first one is tried first, and what it makes is
only taken if it answers right for other sizes, too.
"""

from __future__ import annotations

import contextlib
import logging
import tempfile
import warnings
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import torch

from raypose.errors import RayposeError
from raypose.inference.backends.nested import flatten
from raypose.inference.backends.network import Call, Network

Export = Callable[[Network, Call, "tuple[int, ...]"], bytes]

_INPUT = "inputs"


def exporters() -> list[Export]:
    """Return the ways to export, the quickest first."""
    return [export_by_tracing, export_by_symbols]


def export_by_tracing(network: Network, call: Call, dynamic: tuple[int, ...]) -> bytes:
    """Export what one call does.

    Args:
        network: in evaluation mode.
        call: the one to trace.
        dynamic: axes of the input whose size may change.

    Returns:
        The content of an ONNX file.

    Raises:
        RayposeError: if torch cannot.
    """
    names = [f"output{i}" for i in range(len(flatten(call.outputs)))]
    axes = {name: {0: "batch"} for name in names}
    axes[_INPUT] = {axis: f"size{axis}" if axis else "batch" for axis in dynamic}
    # torch would print the whole graph of what it cannot export.
    torch._C._jit_set_onnx_log_enabled(False)
    with _quietly() as path:
        torch.onnx.export(
            network,
            (call.inputs,),
            path,
            input_names=[_INPUT],
            output_names=names,
            dynamic_axes=axes,
            dynamo=False,
        )
        return path.read_bytes()


def export_by_symbols(network: Network, call: Call, dynamic: tuple[int, ...]) -> bytes:
    """Export with sizes as symbols; see `export_by_tracing`.

    Raises:
        RayposeError: if torch cannot, or `onnxscript` is missing.
    """
    if find_spec("onnxscript") is None:
        raise RayposeError("torch needs onnxscript for it: pip install 'raypose[onnx]'")
    sizes = {axis: torch.export.Dim.DYNAMIC for axis in dynamic}
    with _quietly() as path:
        torch.onnx.export(
            network,
            (call.inputs,),
            path,
            input_names=[_INPUT],
            dynamic_shapes=(sizes,),
            dynamo=True,
            verbose=False,
            external_data=False,
        )
        return path.read_bytes()


@contextlib.contextmanager
def _quietly() -> Iterator[Path]:
    """Give a path to export to; keep what torch says about it from people.

    Raises:
        RayposeError: for whatever is raised inside.
    """
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with (
            warnings.catch_warnings(),
            torch.no_grad(),
            tempfile.TemporaryDirectory(prefix="raypose-") as folder,
        ):
            warnings.simplefilter("ignore")
            yield Path(folder) / "network.onnx"
    except Exception as error:
        lines = str(error).strip().splitlines()
        raise RayposeError(f"{type(error).__name__}: {lines[0] if lines else ''}") from error
    finally:
        logging.disable(level)
