/** Shows one lifted skeleton on a ground grid; mouse, touch and keys turn it, the wheel zooms. */

import { layOnGround, project, turn } from "./projection.js";
import { colorOf } from "./skeleton.js";

const DEGREE = Math.PI / 180;
const START = { azimuth: -25, elevation: 12, zoom: 1 };
const DEGREES_A_PIXEL = 0.5;
const GRID = { lines: 9, step: 0.35, pieces: 16 };

export class View3D {
  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    this.canvas = canvas;
    this.view = { ...START };
    this.pose = null;
    this.radius = null;
    new ResizeObserver(() => this.draw()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
    this.#listen();
  }

  /**
   * @param {number[][] | null} keypoints x right, y down, z away from the camera, any unit.
   * @param {object} skeleton from `readSkeleton`.
   * @param {string} label of the person.
   * @param {boolean} moving whether this follows the last one in a stream: its size changes slowly.
   */
  show(keypoints, skeleton, label, moving) {
    this.label = label;
    this.skeleton = skeleton;
    this.pose = keypoints && layOnGround(keypoints, skeleton.names);
    if (this.pose) {
      const { radius } = this.pose;
      this.radius = moving && this.radius ? 0.9 * this.radius + 0.1 * radius : radius;
    }
    this.draw();
  }

  draw() {
    const { canvas, view } = this;
    const density = window.devicePixelRatio || 1;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    canvas.width = Math.round(width * density);
    canvas.height = Math.round(height * density);
    const context = canvas.getContext("2d");
    context.scale(density, density);
    context.translate(width / 2, 0.47 * height);
    context.lineCap = "round";
    const unit = 0.4 * Math.min(width, height) * view.zoom;
    this.#drawGround(context, unit);
    if (this.pose) this.#drawPose(context, unit);
    else this.#drawAbsence(context);
    canvas.setAttribute("aria-label", this.#describe());
  }

  #place(point, unit) {
    const { middle } = this.pose ?? { middle: -0.8 };
    const radius = this.pose ? this.radius : 1;
    const centred = [point[0], point[1] - middle, point[2]];
    const { azimuth, elevation } = this.view;
    const turned = turn(centred, azimuth * DEGREE, elevation * DEGREE);
    const [x, y, size] = project(turned, radius);
    return { x: x * unit, y: y * unit, size, depth: turned[2] };
  }

  #drawGround(context, unit) {
    const radius = this.pose ? this.radius : 1;
    const half = ((GRID.lines - 1) / 2) * GRID.step * radius;
    context.strokeStyle = this.#token("--grid");
    context.lineWidth = 1;
    for (let line = 0; line < GRID.lines; line += 1) {
      const across = -half + line * GRID.step * radius;
      for (let piece = 0; piece < GRID.pieces; piece += 1) {
        const [from, to] = [piece, piece + 1].map((i) => -half + (2 * half * i) / GRID.pieces);
        // The grid has no edge: it fades.
        context.globalAlpha = Math.max(0, 1 - Math.hypot(across, (from + to) / 2) / half) ** 0.7;
        for (const [a, b] of [
          [[across, 0, from], [across, 0, to]],
          [[from, 0, across], [to, 0, across]],
        ]) {
          segment(context, this.#place(a, unit), this.#place(b, unit));
        }
      }
    }
    context.globalAlpha = 1;
  }

  #drawPose(context, unit) {
    const { points } = this.pose;
    const { links } = this.skeleton;
    const at = points.map((point) => this.#place(point, unit));
    const shade = points.map(([x, , z]) => this.#place([x, 0, z], unit));
    const thick = Math.max(2, Math.min(7, unit * 0.036));
    const shadow = new Path2D();
    for (const { from, to } of links) {
      shadow.moveTo(shade[from].x, shade[from].y);
      shadow.lineTo(shade[to].x, shade[to].y);
    }
    context.strokeStyle = this.#token("--shade");
    context.lineWidth = 1.5 * thick;
    context.lineJoin = "round";
    context.stroke(shadow);
    const parts = [
      ...links.map(({ from, to, color }) => ({
        depth: (at[from].depth + at[to].depth) / 2,
        draw: () => {
          context.strokeStyle = color;
          context.lineWidth = (thick * (at[from].size + at[to].size)) / 2;
          segment(context, at[from], at[to]);
        },
      })),
      ...at.map(({ x, y, size, depth }, k) => ({
        depth: depth - 0.01 * this.radius,
        draw: () => {
          context.beginPath();
          context.arc(x, y, thick * size, 0, 2 * Math.PI);
          context.fillStyle = colorOf(this.skeleton, k);
          context.fill();
          context.strokeStyle = this.#token("--well");
          context.lineWidth = 1.5;
          context.stroke();
        },
      })),
    ];
    parts.sort((one, other) => other.depth - one.depth);
    for (const part of parts) part.draw();
  }

  #drawAbsence(context) {
    context.fillStyle = this.#token("--muted");
    context.font = "14px system-ui, sans-serif";
    context.textAlign = "center";
    context.fillText("The lifted skeleton shows here", 0, 0);
  }

  #listen() {
    const { canvas } = this;
    const fingers = new Map();
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      fingers.set(event.pointerId, event);
    });
    canvas.addEventListener("pointermove", (event) => {
      const last = fingers.get(event.pointerId);
      if (!last) return;
      if (fingers.size === 2) {
        const before = spread(fingers);
        fingers.set(event.pointerId, event);
        this.#zoom(spread(fingers) / Math.max(before, 1));
        return;
      }
      fingers.set(event.pointerId, event);
      this.#turn(
        (event.clientX - last.clientX) * DEGREES_A_PIXEL,
        (event.clientY - last.clientY) * DEGREES_A_PIXEL,
      );
    });
    for (const end of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(end, (event) => fingers.delete(event.pointerId));
    }
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.#zoom(Math.exp(-event.deltaY * 0.0015));
    });
    canvas.addEventListener("dblclick", () => this.#reset());
    canvas.addEventListener("keydown", (event) => {
      const act = {
        ArrowLeft: () => this.#turn(-5, 0),
        ArrowRight: () => this.#turn(5, 0),
        ArrowUp: () => this.#turn(0, -5),
        ArrowDown: () => this.#turn(0, 5),
        "+": () => this.#zoom(1.1),
        "=": () => this.#zoom(1.1),
        "-": () => this.#zoom(1 / 1.1),
        0: () => this.#reset(),
      }[event.key];
      if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      act();
    });
  }

  #turn(azimuth, elevation) {
    const { view } = this;
    view.azimuth = ((view.azimuth + azimuth + 540) % 360) - 180;
    view.elevation = Math.min(89, Math.max(-5, view.elevation + elevation));
    this.draw();
  }

  #zoom(factor) {
    this.view.zoom = Math.min(4, Math.max(0.4, this.view.zoom * factor));
    this.draw();
  }

  #reset() {
    this.view = { ...START };
    this.draw();
  }

  #describe() {
    if (!this.pose) return "No lifted skeleton yet";
    const [turned, lifted] = [this.view.azimuth, this.view.elevation].map(Math.round);
    const from = `turned ${turned}°, seen from ${lifted}° above`;
    return `Lifted skeleton of person ${this.label}, ${from}`;
  }

  #token(name) {
    return getComputedStyle(this.canvas).getPropertyValue(name);
  }
}

function segment(context, from, to) {
  context.beginPath();
  context.moveTo(from.x, from.y);
  context.lineTo(to.x, to.y);
  context.stroke();
}

/** Return the distance of two fingers in pixels. */
function spread(fingers) {
  const [one, other] = [...fingers.values()];
  return Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY);
}
