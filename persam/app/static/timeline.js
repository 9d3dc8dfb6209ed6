// A clip from its first frame to its last: a row an object, as high as its score where it is there,
// and a diamond where a person settled a frame.

import { h } from "./dom.js";
import { colourOf, css, store } from "./store.js";

const ROW = 26;

export class Timeline {
  constructor(onseek) {
    this.canvas = h("canvas", { tabIndex: 0, role: "slider", "aria-label": "Frame", "aria-valuemin": 1 });
    this.element = h("div.timeline", {}, this.canvas);
    this.clip = null;
    this.frame = 0;
    const at = (event) => {
      const box = this.canvas.getBoundingClientRect();
      const share = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
      if (this.clip?.frames) onseek(Math.min(this.clip.frames - 1, Math.floor(share * this.clip.frames)));
    };
    this.canvas.addEventListener("pointerdown", (event) => { this.canvas.setPointerCapture(event.pointerId); this.held = true; at(event); });
    this.canvas.addEventListener("pointermove", (event) => this.held && at(event));
    for (const kind of ["pointerup", "pointercancel"]) this.canvas.addEventListener(kind, () => { this.held = false; });
    this.watch = new ResizeObserver(() => this.paint());
    this.watch.observe(this.element);
  }

  destroy() {
    this.watch.disconnect();
  }

  show(clip) {
    this.clip = clip;
    this.element.style.height = `${Math.max(1, store.objects.length) * ROW + 14}px`;
    this.paint();
  }

  move(frame) {
    this.frame = frame;
    this.canvas.setAttribute("aria-valuenow", frame + 1);
    this.canvas.setAttribute("aria-valuemax", this.clip?.frames || 1);
    this.paint();
  }

  paint() {
    const { canvas, clip } = this;
    const ratio = window.devicePixelRatio || 1;
    const { clientWidth: width, clientHeight: height } = this.element;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    const context = canvas.getContext("2d");
    context.scale(ratio, ratio);
    if (!clip?.frames) return;
    const style = getComputedStyle(this.element);
    const wide = width / clip.frames;
    store.objects.forEach((one, row) => this.row(context, one, row * ROW + 5, wide, style));
    context.fillStyle = style.color;
    context.fillRect(this.frame * wide + wide / 2 - 1, 0, 2, height);
    context.beginPath();
    context.arc(this.frame * wide + wide / 2, height - 5, 5, 0, 2 * Math.PI);
    context.fill();
  }

  row(context, one, top, wide, style) {
    const { clip } = this;
    const colour = css(colourOf(one.name));
    context.fillStyle = style.borderColor;
    context.fillRect(0, top + ROW - 8, wide * clip.frames, 1);
    context.fillStyle = colour;
    for (const line of clip.lines) {
      const found = line.objects[one.name];
      if (!found) continue;
      const tall = found.present ? 4 + (ROW - 12) * Math.min(1, Math.max(0, found.score)) : 1.5;
      context.globalAlpha = found.present ? 0.85 : 0.5;
      context.fillRect(line.index * wide, top + ROW - 8 - tall, Math.max(1, wide - (wide > 4 ? 1 : 0)), tall);
    }
    context.globalAlpha = 1;
    for (const mark of clip.marks.filter((each) => each.object === one.name)) {
      diamond(context, mark.frame * wide + wide / 2, top + ROW - 8, style);
    }
  }
}

function diamond(context, x, y, style) {
  context.beginPath();
  for (const [dx, dy] of [[0, -7], [6, 0], [0, 7], [-6, 0]]) context.lineTo(x + dx, y + dy);
  context.closePath();
  context.fillStyle = style.color;
  context.fill();
  context.strokeStyle = style.backgroundColor;
  context.lineWidth = 1.5;
  context.stroke();
}
