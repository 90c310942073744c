/** From keypoints in 3D to a canvas: laying a pose on the ground, turning, perspective. */

// Of the eye from the middle, in radii of the pose.
const DISTANCE = 5;

/**
 * Lay a pose on the ground, whatever its unit and origin.
 *
 * @param {number[][]} keypoints [x right, y down, z away from the camera], K of them.
 * @param {string[]} names of the keypoints: the pelvis is found by name.
 * @returns {{points: number[][], radius: number, middle: number}} the pelvis on the vertical axis
 *   and the lowest point at y = 0; the distance of the farthest point from the axis' `middle`,
 *   half the height (negative: y is down).
 */
export function layOnGround(keypoints, names) {
  const [x, , z] = pelvisOf(keypoints, names);
  const ground = Math.max(...keypoints.map((point) => point[1]));
  const points = keypoints.map((point) => [point[0] - x, point[1] - ground, point[2] - z]);
  const middle = Math.min(...points.map((point) => point[1])) / 2;
  const radius = Math.max(...points.map(([px, py, pz]) => Math.hypot(px, py - middle, pz)));
  return { points, radius: radius || 1, middle };
}

/**
 * Turn a point about the vertical axis, then towards the eye.
 * @param {number} azimuth radians; what is near goes to the right as it grows.
 * @param {number} elevation radians that the eye is above the horizon.
 */
export function turn([x, y, z], azimuth, elevation) {
  const [ca, sa] = [Math.cos(azimuth), Math.sin(azimuth)];
  const [ce, se] = [Math.cos(elevation), Math.sin(elevation)];
  const depth = x * sa + z * ca;
  return [x * ca - z * sa, y * ce - depth * se, y * se + depth * ce];
}

/** Return [x, y] in radii at the middle's depth, and the size that things have there. */
export function project([x, y, z], radius) {
  const size = DISTANCE / (DISTANCE + z / radius);
  return [(x / radius) * size, (y / radius) * size, size];
}

function pelvisOf(keypoints, names) {
  const own = names.findIndex((name) => /^(root|pelvis|hips?|mid_?hip)$/i.test(name));
  if (own >= 0) return keypoints[own];
  const sides = names.flatMap((name, i) => (/^(left|right|l|r)_?hip$/i.test(name) ? [i] : []));
  const chosen = sides.length ? sides.map((i) => keypoints[i]) : keypoints;
  return [0, 1, 2].map((axis) => chosen.reduce((sum, p) => sum + p[axis], 0) / chosen.length);
}
