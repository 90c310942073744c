/** Draws a picture on a canvas with the boxes, skeletons and names of its people. */

import { colorOf, nameOf } from "./skeleton.js";

const PEOPLE = [
  "#3d8bff", "#ff9f1c", "#2ec4b6", "#e5489d", "#a78bfa", "#8ac926", "#ff6b5e", "#ffd23f",
];
const FONT = "600 12px system-ui, sans-serif";
const NAME_FONT = "500 11px system-ui, sans-serif";

/** Return the colour of a person: by track where there is one, so that it lasts. */
export function personColor(instance, index) {
  return PEOPLE[(instance.track_id ?? index) % PEOPLE.length];
}

/** Return what a person is called: the track, or the place in the answer. */
export function personLabel(instance, index) {
  return instance.track_id === null ? `${index + 1}` : `#${instance.track_id}`;
}

/** Whether a detector found a person, or else any keypoint scores enough to be drawn. */
export function isShown(instance, threshold) {
  return (
    instance.bbox_score !== null || instance.keypoint_scores.some((score) => score >= threshold)
  );
}

export class Overlay {
  /** @param {HTMLCanvasElement} canvas that is sized to its parent. */
  constructor(canvas) {
    this.canvas = canvas;
    this.scene = null;
    new ResizeObserver(() => this.#draw()).observe(canvas.parentElement);
  }

  /**
   * @param {object} scene
   * @param {ImageBitmap | null} scene.picture null where this browser cannot show it.
   * @param {{width: number, height: number}} scene.size of the picture, pixels.
   * @param {object[]} scene.instances of the server's answer, in pixels of the picture.
   * @param {object} scene.skeleton from `readSkeleton`.
   * @param {{boxes: boolean, names: boolean, ids: boolean, threshold: number}} scene.options
   */
  show(scene) {
    this.scene = scene;
    this.#draw();
  }

  clear() {
    this.scene = null;
  }

  /** Return the index of the person at a place of the page, or -1. */
  personAt(clientX, clientY) {
    const { size, instances } = this.scene;
    const bounds = this.canvas.getBoundingClientRect();
    const scale = size.width / bounds.width;
    const x = (clientX - bounds.left) * scale;
    const y = (clientY - bounds.top) * scale;
    const area = ([x0, y0, x1, y1]) => (x1 - x0) * (y1 - y0);
    const hits = instances
      .map((instance, index) => ({ index, box: instance.bbox ?? boundsOf(instance.keypoints) }))
      .filter(({ box: [x0, y0, x1, y1] }) => x >= x0 && x <= x1 && y >= y0 && y <= y1)
      .sort((one, other) => area(one.box) - area(other.box));
    return hits.length ? hits[0].index : -1;
  }

  #draw() {
    if (!this.scene) return;
    const { picture, size, instances, options } = this.scene;
    const scale = this.#fit(size);
    const density = this.canvas.width / (size.width * scale);
    const context = this.canvas.getContext("2d");
    context.setTransform(density, 0, 0, density, 0, 0);
    context.clearRect(0, 0, size.width * scale, size.height * scale);
    if (picture) context.drawImage(picture, 0, 0, size.width * scale, size.height * scale);
    const shown = [...instances.entries()].filter(([, one]) => isShown(one, options.threshold));
    for (const [index, instance] of shown) {
      if (options.boxes && instance.bbox) this.#box(context, instance, index, scale);
    }
    for (const [, instance] of shown) this.#body(context, instance, scale);
    if (options.names) this.#names(context, shown, scale);
    if (options.ids) {
      for (const [index, instance] of shown) this.#tag(context, instance, index, scale);
    }
  }

  /** Size the canvas to the room there is; return CSS pixels a pixel of the picture. */
  #fit({ width, height }) {
    const room = this.canvas.parentElement;
    const most = Math.max(260, Math.min(window.innerHeight * 0.74, 860));
    const scale = Math.min(room.clientWidth / width, most / height);
    const density = window.devicePixelRatio || 1;
    const [columns, rows] = [width, height].map((side) => Math.round(side * scale * density));
    // Setting a size clears the canvas, so only where it changes.
    if (this.canvas.width !== columns) this.canvas.width = columns;
    if (this.canvas.height !== rows) this.canvas.height = rows;
    this.canvas.style.width = `${width * scale}px`;
    this.canvas.style.height = `${height * scale}px`;
    return scale;
  }

  #box(context, instance, index, scale) {
    const [x0, y0, x1, y1] = instance.bbox.map((value) => value * scale);
    const outline = new Path2D();
    outline.roundRect(x0, y0, x1 - x0, y1 - y0, 4);
    stroke(context, outline, "rgba(0, 0, 0, 0.35)", 4);
    stroke(context, outline, personColor(instance, index), 2);
  }

  #body(context, instance, scale) {
    const { skeleton, options } = this.scene;
    const [x0, y0, x1, y1] = instance.bbox ?? boundsOf(instance.keypoints);
    const size = Math.max(x1 - x0, y1 - y0) * scale;
    const radius = Math.min(5, Math.max(2, size * 0.014));
    const seen = instance.keypoint_scores.map((score) => score >= options.threshold);
    const at = instance.keypoints.map(([x, y]) => [x * scale, y * scale]);
    const links = skeleton.links.filter(({ from, to }) => seen[from] && seen[to]);
    for (const [extra, own] of [[1.8, false], [0, true]]) {
      for (const { from, to, color } of links) {
        const limb = new Path2D();
        limb.moveTo(...at[from]);
        limb.lineTo(...at[to]);
        stroke(context, limb, own ? color : "rgba(0, 0, 0, 0.35)", radius + extra);
      }
    }
    for (const [k, [x, y]] of at.entries()) {
      if (!seen[k]) continue;
      const joint = new Path2D();
      joint.arc(x, y, radius, 0, 2 * Math.PI);
      stroke(context, joint, "rgba(255, 255, 255, 0.9)", 2);
      context.fillStyle = colorOf(skeleton, k);
      context.fill(joint);
    }
  }

  /** Write each name where it hides no other; the ones that find no room are left out. */
  #names(context, shown, scale) {
    const { skeleton, options } = this.scene;
    const taken = [];
    context.font = NAME_FONT;
    context.textBaseline = "middle";
    context.lineJoin = "round";
    for (const [, instance] of shown) {
      for (const [k, [x, y]] of instance.keypoints.entries()) {
        if (instance.keypoint_scores[k] < options.threshold) continue;
        const text = nameOf(skeleton, k);
        const width = context.measureText(text).width;
        const [px, py] = [x * scale, y * scale];
        const left = [px + 8, px - 8 - width].find((start) => {
          const free = ([x0, y0, x1, y1]) =>
            start > x1 || start + width < x0 || py - 7 > y1 || py + 7 < y0;
          return taken.every(free);
        });
        if (left === undefined) continue;
        taken.push([left, py - 7, left + width, py + 7]);
        context.lineWidth = 3;
        context.strokeStyle = "rgba(0, 0, 0, 0.75)";
        context.strokeText(text, left, py);
        context.fillStyle = "#fff";
        context.fillText(text, left, py);
      }
    }
  }

  #tag(context, instance, index, scale) {
    const [x0, y0] = (instance.bbox ?? boundsOf(instance.keypoints)).map((value) => value * scale);
    const text = personLabel(instance, index);
    context.font = FONT;
    context.textBaseline = "middle";
    const width = context.measureText(text).width + 12;
    const top = Math.max(0, y0 - 20);
    const left = Math.max(0, x0 - 1);
    const plate = new Path2D();
    plate.roundRect(left, top, width, 18, 4);
    context.fillStyle = personColor(instance, index);
    context.fill(plate);
    context.fillStyle = "#10151c";
    context.fillText(text, left + 6, top + 9.5);
  }
}

function stroke(context, path, color, width) {
  context.lineCap = "round";
  context.lineWidth = width;
  context.strokeStyle = color;
  context.stroke(path);
}

function boundsOf(points) {
  const [xs, ys] = [0, 1].map((axis) => points.map((point) => point[axis]));
  return [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
}
