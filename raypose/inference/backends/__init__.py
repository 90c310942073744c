"""The network of an estimator, run by ONNX Runtime or OpenVINO instead of by torch.

`predict` stays the estimator's own: what is exchanged is the function from normalised inputs to
raw outputs, so codecs, flip tests and everything after them are the same code for every backend.
"""

from raypose.inference.backends.choice import choose_backend
from raypose.inference.backends.probes import probe_poses
from raypose.inference.backends.running import run_on_backend

__all__ = ["choose_backend", "probe_poses", "run_on_backend"]
