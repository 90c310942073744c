"""`Updater`: gradients of one or several batches, then one step of the optimizer."""

from __future__ import annotations

import contextlib

import torch
from torch import Tensor, nn

from raypose.config.sections import TrainSection
from raypose.models.estimators.base import BasePoseEstimator
from raypose.structures import PoseBatch
from raypose.training.checkpoints import TrainingState
from raypose.training.not_finite import FiniteCheck
from raypose.training.runtime import Runtime
from raypose.training.sharding import sync_gradients, whole

_AUTOCAST = {"bf16": torch.bfloat16, "fp16": torch.float16}


class Updater:
    """Trains the model of a state.

    Args:
        options: precision, clipping, memory format.
        step: the train step as the runtime has wrapped it.
        state: model, optimizer, scaler and average of the weights.
        check: what becomes of steps that are no numbers.
        runtime: device of this process.
        weight: of its losses in the mean over all processes, 1 for equal shares of a batch.
    """

    def __init__(
        self,
        options: TrainSection,
        step: nn.Module,
        state: TrainingState[BasePoseEstimator],
        check: FiniteCheck,
        runtime: Runtime,
        weight: float = 1.0,
    ) -> None:
        self._options = options
        self._step = step
        self._state = state
        self._check = check
        self._device = runtime.device
        self._weight = weight
        self._added = 0

    def add(self, batch: PoseBatch, place: str, together: int) -> dict[str, Tensor]:
        """Add the gradients of a batch and return its losses.

        Args:
            batch: where it was loaded.
            place: of the batch in the run, for messages.
            together: batches of this optimizer step; `finish` follows after the last of them.
        """
        options, device = self._options, self._device
        moved = batch.to(device)
        if options.channels_last and isinstance(moved.inputs, Tensor) and moved.inputs.ndim == 4:
            moved = moved.replace(inputs=moved.inputs.contiguous(memory_format=torch.channels_last))
        if not self._added:
            self._check.begin()
        self._added += 1
        with contextlib.ExitStack() as stack:
            # Gradients of all processes meet only in the step that uses them.
            if self._added < together and isinstance(
                self._step, nn.parallel.DistributedDataParallel
            ):
                stack.enter_context(self._step.no_sync())
            sync_gradients(self._state.model, self._added == together)
            if options.amp is not None:
                stack.enter_context(torch.autocast(device.type, _AUTOCAST[options.amp]))
            parts = self._step(moved)
            self._check.note(batch, parts["loss"], place)
            loss = parts["loss"] * (self._weight / together)
            self._state.scaler.scale(loss).backward()
        return parts

    def finish(self) -> bool:
        """Step with the gradients added; return whether they were fit for it."""
        state, clip = self._state, self._options.clip_grad
        self._added = 0
        learning = [p for p in state.model.parameters() if p.grad is not None]
        norm_type = 2.0 if clip is None else clip.norm_type

        def norm() -> Tensor:
            gradients = [p.grad for p in learning if p.grad is not None]
            return whole(nn.utils.get_total_norm(gradients, norm_type))

        # What overflows in fp16 is for the scaler to see: only losses are checked there.
        total = None if state.scaler.is_enabled() else norm()
        passes = self._check.passes(total)
        if passes:
            if clip is not None:
                state.scaler.unscale_(state.optimizer)
                total = norm() if total is None else total
                nn.utils.clip_grads_with_norm_(learning, clip.max_norm, total)
            state.scaler.step(state.optimizer)
            state.scaler.update()
        state.optimizer.zero_grad(set_to_none=True)
        if passes and state.ema is not None:
            state.ema.update()
        return passes
