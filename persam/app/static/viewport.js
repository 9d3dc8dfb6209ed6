// A picture that can be zoomed and moved, with layers over it. Knows pixels and pointers, nothing of
// objects: what is drawn, and what a click means, its owner says.

import { h } from "./dom.js";

const MOST_ZOOM = 24;
const MOVED = 5; // pixels that make a drag of a click

export class Viewport {
  // draw(context, toScreen): what lies over the picture. Handlers: click(point, off, event),
  // dragStart(point, event) -> true to take the drag, drag(point), dragEnd(point), hover(point).
  constructor(handlers) {
    this.handlers = handlers;
    this.canvas = h("canvas.picture", { tabIndex: 0, role: "application", "aria-label": "The photo" });
    this.element = h("div.viewport", {}, this.canvas);
    this.context = this.canvas.getContext("2d");
    this.image = null;
    this.size = { width: 1, height: 1 }; // of the photo, in its own pixels
    this.scale = 1; // screen pixels a photo pixel
    this.offset = [0, 0];
    this.pointers = new Map();
    this.cursor = null; // of the keyboard, in photo pixels
    this.watch = new ResizeObserver(() => this.resize());
    this.watch.observe(this.element);
    this.listen();
  }

  destroy() {
    this.watch.disconnect();
  }

  show(image, size) {
    this.image = image;
    this.size = size;
    this.cursor = null;
    this.fit();
  }

  resize() {
    const { clientWidth, clientHeight } = this.element;
    const ratio = window.devicePixelRatio || 1;
    const fitted = this.isFitted;
    this.canvas.width = Math.max(1, Math.round(clientWidth * ratio));
    this.canvas.height = Math.max(1, Math.round(clientHeight * ratio));
    if (fitted !== false) this.fit();
    else this.redraw();
  }

  fit() {
    const { clientWidth: w, clientHeight: ht } = this.element;
    this.scale = Math.min((w - 16) / this.size.width, (ht - 16) / this.size.height) || 1;
    this.least = this.scale;
    this.offset = [(w - this.size.width * this.scale) / 2, (ht - this.size.height * this.scale) / 2];
    this.isFitted = true;
    this.redraw();
  }

  zoom(factor, at = [this.element.clientWidth / 2, this.element.clientHeight / 2]) {
    const scale = Math.min(Math.max(this.scale * factor, this.least * 0.5), this.least * MOST_ZOOM);
    const ratio = scale / this.scale;
    this.offset = this.offset.map((value, i) => at[i] - (at[i] - value) * ratio);
    this.scale = scale;
    this.isFitted = false;
    this.redraw();
  }

  move(dx, dy) {
    this.offset = [this.offset[0] + dx, this.offset[1] + dy];
    this.isFitted = false;
    this.redraw();
  }

  toPhoto = ([x, y]) => [(x - this.offset[0]) / this.scale, (y - this.offset[1]) / this.scale];
  toScreen = ([x, y]) => [x * this.scale + this.offset[0], y * this.scale + this.offset[1]];
  inside = ([x, y]) => x >= 0 && y >= 0 && x < this.size.width && y < this.size.height;
  clamp = ([x, y]) => [Math.min(Math.max(x, 0), this.size.width), Math.min(Math.max(y, 0), this.size.height)];

  redraw() {
    if (this.pending) return;
    this.pending = requestAnimationFrame(() => {
      this.pending = null;
      this.paint();
    });
  }

  paint() {
    const { context, canvas } = this;
    const ratio = window.devicePixelRatio || 1;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, canvas.width, canvas.height);
    if (!this.image) return;
    context.imageSmoothingEnabled = this.scale < 3;
    context.imageSmoothingQuality = "high";
    this.layer(this.image);
    this.handlers.draw(context, this.toScreen);
    if (this.cursor && document.activeElement === canvas) this.crosshair(this.toScreen(this.cursor));
  }

  // Draw a picture of any resolution over the whole photo.
  layer(picture) {
    const { width, height } = this.size;
    this.context.drawImage(picture, this.offset[0], this.offset[1], width * this.scale, height * this.scale);
  }

  crosshair([x, y]) {
    const { context } = this;
    for (const [colour, width] of [["#000", 3], ["#fff", 1.2]]) {
      context.strokeStyle = colour;
      context.lineWidth = width;
      context.beginPath();
      context.moveTo(x - 14, y);
      context.lineTo(x + 14, y);
      context.moveTo(x, y - 14);
      context.lineTo(x, y + 14);
      context.stroke();
    }
  }

  listen() {
    const { canvas } = this;
    const at = (event) => {
      const box = canvas.getBoundingClientRect();
      return [event.clientX - box.left, event.clientY - box.top];
    };
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0016)), at(event));
    }, { passive: false });
    canvas.addEventListener("dblclick", (event) => event.preventDefault());
    canvas.addEventListener("pointerdown", (event) => this.down(event, at(event)));
    canvas.addEventListener("pointermove", (event) => this.moved(event, at(event)));
    for (const kind of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(kind, (event) => this.up(event, at(event)));
    }
    canvas.addEventListener("pointerleave", () => this.handlers.hover?.(null));
    canvas.addEventListener("keydown", (event) => this.key(event));
    for (const kind of ["focus", "blur"]) canvas.addEventListener(kind, () => this.redraw());
  }

  down(event, at) {
    if (!this.image) return;
    this.canvas.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, at);
    if (this.pointers.size === 2) {
      if (this.gesture?.kind === "drag") this.handlers.dragEnd?.(null, event);
      this.gesture = { kind: "pinch" };
      return;
    }
    const point = this.toPhoto(at);
    const pans = event.button === 1 || this.spaceHeld;
    this.gesture = { kind: pans ? "pan" : "press", start: at, button: event.button, touch: event.pointerType === "touch" };
    if (!pans && event.button === 0 && this.handlers.dragStart?.(point, event, false)) this.gesture.kind = "drag";
  }

  moved(event, at) {
    const before = this.pointers.get(event.pointerId);
    this.handlers.hover?.(this.toPhoto(at));
    if (!before || !this.gesture) return;
    this.pointers.set(event.pointerId, at);
    const { gesture } = this;
    if (gesture.kind === "pinch") return this.pinch(event.pointerId, before, at);
    if (gesture.kind === "press" && Math.hypot(at[0] - gesture.start[0], at[1] - gesture.start[1]) > MOVED) {
      const takes = gesture.button === 0 && this.handlers.dragStart?.(this.toPhoto(gesture.start), event, true);
      gesture.kind = takes ? "drag" : "pan";
    }
    if (gesture.kind === "pan") this.move(at[0] - before[0], at[1] - before[1]);
    if (gesture.kind === "drag") this.handlers.drag(this.toPhoto(at), event);
  }

  up(event, at) {
    this.pointers.delete(event.pointerId);
    const { gesture } = this;
    if (!gesture) return;
    if (gesture.kind === "drag") this.handlers.dragEnd(event.type === "pointercancel" ? null : this.toPhoto(at), event);
    if (gesture.kind === "press" && event.type === "pointerup") {
      const point = this.toPhoto(at);
      if (this.inside(point)) this.handlers.click?.(point, event.button === 2 || event.altKey, event);
    }
    if (this.pointers.size === 0) this.gesture = null;
  }

  pinch(id, before, at) {
    const other = [...this.pointers].find(([key]) => key !== id)?.[1];
    if (!other) return;
    const far = (point) => Math.max(10, Math.hypot(point[0] - other[0], point[1] - other[1]));
    this.zoom(far(at) / far(before), [(at[0] + other[0]) / 2, (at[1] + other[1]) / 2]);
    this.move((at[0] - before[0]) / 2, (at[1] - before[1]) / 2);
  }

  // Arrow keys move a crosshair, Enter clicks, with Shift off the object.
  key(event) {
    const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (event.key in steps && !event.altKey && !event.ctrlKey && !event.metaKey && this.image) {
      const step = (event.shiftKey ? 2 : 16) / this.scale;
      const from = this.cursor || [this.size.width / 2, this.size.height / 2];
      const [dx, dy] = steps[event.key];
      this.cursor = this.clamp([from[0] + dx * step, from[1] + dy * step]);
      this.redraw();
    } else if (event.key === "Enter" && this.cursor) {
      this.handlers.click?.(this.cursor, event.shiftKey, event);
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }
}
