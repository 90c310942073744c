/** The skeleton that the server sends, with links by index and colours that a canvas takes. */

const UNKNOWN = "rgb(51, 153, 255)";
const css = ([red, green, blue]) => `rgb(${red}, ${green}, ${blue})`;

/**
 * @param {object} sent `{name, keypoints: [{name, color}], links: [{link: [name, name], color}]}`;
 *   empty where the model does not say: its keypoints have no names, then, and no links.
 * @returns {{name: string, names: string[], colors: string[],
 *   links: {from: number, to: number, color: string}[]}}
 */
export function readSkeleton({ name = "", keypoints = [], links = [] }) {
  const names = keypoints.map((keypoint) => keypoint.name);
  const index = new Map(names.map((one, i) => [one, i]));
  return {
    name,
    names,
    colors: keypoints.map((keypoint) => css(keypoint.color)),
    links: links.map(({ link, color }) => ({
      from: index.get(link[0]),
      to: index.get(link[1]),
      color: css(color),
    })),
  };
}

export function nameOf(skeleton, keypoint) {
  return skeleton.names[keypoint]?.replaceAll("_", " ") ?? `${keypoint}`;
}

export function colorOf(skeleton, keypoint) {
  return skeleton.colors[keypoint] ?? UNKNOWN;
}
