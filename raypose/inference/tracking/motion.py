"""`Motion`: where the bodies that are followed will be in the next frame.

T tracks, P points of each. Time is counted in frames.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from raypose.inference.tracking.observations import Floats, Observations

# Both are parts of the body's size: how far off a detected point is, and by how much the velocity
# changes within a frame.
_MEASUREMENT_NOISE = 0.03
_ACCELERATION_NOISE = 0.03
# Velocity of a body that was seen once, as part of its size.
_FIRST_VELOCITY = 0.1
# Part of the velocity that is left after a frame: animals and people turn and stop, and one that
# is out of sight is nearer to where it vanished than its last velocity says.
_PERSISTENCE = 0.9
# Weight of the latest frame in the area of a body.
_AREA_RATE = 0.2


class Motion:
    """One Kalman filter for each point of each track, with a velocity that fades.

    A point moves by the velocity of its body, the mean of what its points' filters say: limbs
    swing to and fro and the extrapolation of each on its own would tear the pose apart. Noise is
    in proportion to the size of the body, so the same constants fit near and far ones. A point
    that a frame does not show is predicted only.

    Attributes:
        points: (T, P, 2), pixels.
        known: (T, P), points that were seen at least once.
        areas: (T,), square pixels, averaged over time.
    """

    def __init__(self, num_points: int) -> None:
        self.points: Floats = np.zeros((0, num_points, 2))
        self.known: npt.NDArray[np.bool_] = np.zeros((0, num_points), np.bool_)
        self.areas: Floats = np.zeros(0)
        self._velocity: Floats = np.zeros((0, num_points, 2))
        # Of each point: variance of the position, covariance, variance of the velocity.
        self._covariance: Floats = np.zeros((3, 0, num_points))

    def __len__(self) -> int:
        return len(self.points)

    def predict(self) -> Observations:
        """Go on by one frame and return where every track should be."""
        self.points = self.points + _PERSISTENCE * self._body_velocity()[:, None]
        self._velocity = _PERSISTENCE * self._velocity
        position, mixed, speed = self._covariance
        noise = (_ACCELERATION_NOISE**2 * self.areas)[:, None]
        self._covariance = np.stack(
            [
                position + 2 * _PERSISTENCE * mixed + _PERSISTENCE**2 * speed + noise / 4,
                _PERSISTENCE * mixed + _PERSISTENCE**2 * speed + noise / 2,
                _PERSISTENCE**2 * speed + noise,
            ]
        )
        return Observations(
            points=self.points,
            known=self.known,
            areas=self.areas,
        )

    def correct(self, tracks: npt.NDArray[np.intp], seen: Observations) -> None:
        """Take what was seen of some tracks.

        Args:
            tracks: (N,) indices, each at most once.
            seen: N instances, in the same order.
        """
        self.areas[tracks] += _AREA_RATE * (seen.areas - self.areas[tracks])
        position, mixed, speed = self._covariance[:, tracks]
        noise = (_MEASUREMENT_NOISE**2 * seen.areas)[:, None]
        total = position + noise + np.finfo(np.float64).tiny
        gain, velocity_gain = position / total * seen.known, mixed / total * seen.known
        offset = seen.points - self.points[tracks]
        self.points[tracks] += gain[..., None] * offset
        self._velocity[tracks] += velocity_gain[..., None] * offset
        self._covariance[:, tracks] = np.stack(
            [(1 - gain) * position, (1 - gain) * mixed, speed - velocity_gain * mixed]
        )
        self._place_new_points(tracks, seen)

    def _place_new_points(self, tracks: npt.NDArray[np.intp], seen: Observations) -> None:
        """Put points that were never seen before where they are now, at their body's velocity."""
        new = seen.known & ~self.known[tracks]
        instances, points = np.nonzero(new)
        rows = tracks[instances]
        body = self._body_velocity()[rows]
        self.known[rows, points] = True
        self.points[rows, points] = seen.points[new]
        self._velocity[rows, points] = body
        self._covariance[:, rows, points] = _first_covariance(seen)[:, new]

    def _body_velocity(self) -> Floats:
        """Velocity (T, 2) that the known points have in common."""
        known = self.known[..., None]
        return (self._velocity * known).sum(axis=1) / np.maximum(known.sum(axis=1), 1)

    def start(self, seen: Observations) -> None:
        """Begin a track for each of N instances, at rest."""
        self.points = np.concatenate([self.points, seen.points])
        self.known = np.concatenate([self.known, seen.known])
        self.areas = np.concatenate([self.areas, seen.areas])
        self._velocity = np.concatenate([self._velocity, np.zeros(seen.points.shape)])
        self._covariance = np.concatenate([self._covariance, _first_covariance(seen)], axis=1)

    def keep(self, tracks: npt.NDArray[np.bool_]) -> None:
        """Drop all tracks but those of a mask (T,)."""
        self.points, self.known, self.areas = (
            self.points[tracks],
            self.known[tracks],
            self.areas[tracks],
        )
        self._velocity = self._velocity[tracks]
        self._covariance = self._covariance[:, tracks]


def _first_covariance(seen: Observations) -> Floats:
    """Covariance (3, N, P) of a point that was seen once: its velocity is anything."""
    areas = np.broadcast_to(seen.areas[:, None], seen.known.shape)
    noise = _MEASUREMENT_NOISE**2 * areas
    return np.stack([noise, np.zeros_like(noise), _FIRST_VELOCITY**2 * areas])
