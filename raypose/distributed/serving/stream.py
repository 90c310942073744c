"""Video over WebSocket: frames in, tracked poses out, in order, as fast as the models go.

What is remembered of a video (identities, smoothing, windows of the lifter) lives as long as its
connection, in the replica that the connection is with.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import Any, Protocol

from fastapi import HTTPException, WebSocket, WebSocketDisconnect

from raypose.config.sections import ServeSection
from raypose.distributed.serving.answers import pose_answer, to_json
from raypose.distributed.serving.metrics import ServeMetrics
from raypose.distributed.serving.records import Estimate, PoseQuery, Refusal
from raypose.distributed.serving.requests import check_image
from raypose.inference.lift_windows import LiftInput, LiftWindows
from raypose.inference.stream import PoseStream
from raypose.structures import Poses

# Frames with the models at a time: while one is answered, the next is detected.
_RUNNING = 2


class _Frame:
    """A frame on its way: it waits, is with the models, or has its answer."""

    def __init__(self, number: int, image: bytes, time: float) -> None:
        self.number = number
        self.image = image
        self.time = time
        self.arrived = _now()
        self.started = False
        self.answer: asyncio.Future[Estimate | Refusal | None] = asyncio.Future()


class FrameStages(Protocol):
    """What a stream asks of the stages."""

    async def estimate(self, query: PoseQuery) -> Estimate | Refusal:
        """Return the poses of an image."""
        ...

    async def lift_frame(self, given: LiftInput) -> Poses:
        """Return the poses of a frame with `keypoints_3d`."""
        ...


class StreamSession:
    """One video of one client.

    Every frame gets one answer, in order: its poses; `error` if it is no image; or `dropped` if
    so many came after it that it would have been late.

    Args:
        socket: the connection, accepted.
        stages: the models.
        section: limits.
        model: name of the pose model.
        memory: gives identities and smooths.
        windows: what the lifter sees, None without one.
        metrics: where frames are counted.
        frame_rate: of the video, for smoothing; None to go by the clock.
    """

    def __init__(
        self,
        socket: WebSocket,
        stages: FrameStages,
        section: ServeSection,
        model: str,
        memory: PoseStream,
        windows: LiftWindows | None,
        metrics: ServeMetrics,
        frame_rate: float | None = None,
    ) -> None:
        self._socket = socket
        self._stages = stages
        self._section = section
        self._model = model
        self._memory = memory
        self._windows = windows
        self._metrics = metrics
        self._frame_rate = frame_rate
        self._frames: deque[_Frame] = deque()
        self._arrived = asyncio.Event()
        self._number = 0
        self._over = False
        self._left = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Answer until the client leaves, sends nothing for too long, or `leave` is called."""
        receiver = asyncio.create_task(self._receive_all())
        sender = asyncio.create_task(self._answer_all())
        left = asyncio.create_task(self._left.wait())
        try:
            await asyncio.wait({receiver, sender, left}, return_when=asyncio.FIRST_COMPLETED)
            if sender.done():
                await sender  # it ends by itself only where it failed
            reason = await receiver if receiver.done() else "this server is about to stop"
            self._over = True
            self._arrived.set()
            await sender
            await self._socket.close(1001, reason)
        except WebSocketDisconnect:
            pass
        finally:
            tasks = [receiver, sender, left, *self._tasks]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def leave(self) -> None:
        """Take no more frames, answer those that have come, and close."""
        self._left.set()

    async def _receive_all(self) -> str:
        """Take frames as they come; returns why there are no more."""
        limit = self._section.stream.idle_timeout_s
        while True:
            try:
                message = await asyncio.wait_for(self._socket.receive(), limit)
            except asyncio.TimeoutError:
                return f"no frame within {limit:g} s"
            if message["type"] == "websocket.disconnect":
                raise WebSocketDisconnect(message.get("code", 1000))
            data = message.get("bytes")
            self._add(message.get("text") or b"" if data is None else data)

    def _add(self, data: bytes | str) -> None:
        time_of_frame = _now() if self._frame_rate is None else self._number / self._frame_rate
        frame = _Frame(self._number, b"" if isinstance(data, str) else data, time_of_frame)
        self._number += 1
        self._frames.append(frame)
        refusal = self._refusal(data)
        if refusal is not None:
            frame.started = True
            frame.answer.set_result(refusal)
        self._start_next()
        self._drop_late()
        self._arrived.set()

    def _refusal(self, data: bytes | str) -> Refusal | None:
        if isinstance(data, str):
            return Refusal(400, "a frame is a binary message, this one is text")
        try:
            check_image(data, self._section)
        except HTTPException as error:
            return Refusal(error.status_code, error.detail)
        return None

    def _drop_late(self) -> None:
        """Give up the oldest waiting frames where there are more than may wait."""
        waiting = [frame for frame in self._frames if not frame.started]
        for frame in waiting[: max(len(waiting) - self._section.stream.max_waiting, 0)]:
            frame.started = True
            frame.image = b""
            frame.answer.set_result(None)

    def _start_next(self) -> None:
        running = sum(frame.started and not frame.answer.done() for frame in self._frames)
        waiting = [frame for frame in self._frames if not frame.started]
        for frame in waiting[: max(_RUNNING - running, 0)]:
            frame.started = True
            task = asyncio.create_task(self._estimate(frame))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _estimate(self, frame: _Frame) -> None:
        query = PoseQuery(frame.image, self._model)
        limit = self._section.request_timeout_s
        answer: Estimate | Refusal
        try:
            answer = await asyncio.wait_for(self._stages.estimate(query), limit)
        except asyncio.TimeoutError:
            answer = Refusal(504, f"no answer within {limit:g} s")
        except Exception as error:
            answer = _no_answer(error)
        frame.answer.set_result(answer)
        self._start_next()

    async def _answer_all(self) -> None:
        """Answer the frames in order."""
        while True:
            while self._frames:
                frame = self._frames[0]
                answer = await frame.answer
                self._frames.popleft()
                await self._socket.send_text(to_json(await self._content(frame, answer)))
            if self._over:
                return
            self._arrived.clear()
            await self._arrived.wait()

    async def _content(self, frame: _Frame, answer: Estimate | Refusal | None) -> dict[str, Any]:
        if answer is None:
            self._metrics.count_frame("dropped")
            return {"frame": frame.number, "dropped": True}
        if isinstance(answer, Estimate):
            try:
                return await self._followed(frame, answer)
            except Exception as error:
                answer = _no_answer(error)
        self._metrics.count_frame("refused")
        return {"frame": frame.number, "error": answer.reason, "status": answer.status}

    async def _followed(self, frame: _Frame, answer: Estimate) -> dict[str, Any]:
        """Return the poses of a frame with their identities, in 3D where they can be lifted."""
        (poses,) = self._memory.push(answer.poses, frame.time)
        timings = dict(answer.timings)
        if self._windows is not None:
            (given,) = self._windows.push(poses, answer.size)
            started = _now()
            poses = await self._stages.lift_frame(given)
            timings["lifter"] = round((_now() - started) * 1000, 2)
        timings["total"] = round((_now() - frame.arrived) * 1000, 2)
        self._metrics.count_frame("answered")
        self._metrics.observe(timings, len(poses))
        content = pose_answer(poses, answer.size, self._model, timings)
        return {"frame": frame.number, **content}


def _no_answer(error: Exception) -> Refusal:
    return Refusal(503, f"the models are busy or failed ({type(error).__name__})")


def _now() -> float:
    return time.monotonic()
