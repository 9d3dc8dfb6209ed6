// The tools that show an object in a photo or put its mask right: clicks, box, brush, undo. Used by
// both views; what becomes of the mask, they say.

import { api } from "./api.js";
import { button, fill, h, screenUnit, toast } from "./dom.js";
import { ADD, ERASE, anything, Paint, tinted } from "./layers.js";
import { colourOf, on, store } from "./store.js";
import { Viewport } from "./viewport.js";

const TOOLS = [
  ["on", "On it", "plus", "1", "Click on the object (right or Alt: not it); drag a box round it"],
  ["off", "Not it", "minus", "2", "Click on what is not the object"],
  ["box", "Box", "box", "3", "Drag a box round the object"],
  ["brush", "Paint", "brush", "4", "Paint what belongs to the object"],
  ["eraser", "Erase", "eraser", "5", "Erase what does not"],
];
const EMPTY = { points: [], box: null, choice: null };

export class Editor {
  // onchange(): after every change of the mask.
  constructor(onchange) {
    this.tool = "on";
    this.radius = 18; // of the brush, in screen pixels
    this.viewport = new Viewport({
      draw: (context, toScreen) => this.draw(context, toScreen),
      click: (point, off) => this.click(point, off),
      dragStart: (point, event, moved) => this.dragStart(point, event, moved),
      drag: (point) => this.drag(point),
      dragEnd: (point) => this.dragEnd(point),
      hover: (point) => this.hover(point),
    });
    this.toolbar = h("div.toolbar", { role: "toolbar", "aria-label": "Tools" });
    this.element = h("div.editor", {}, this.viewport.element, this.toolbar);
    this.overlays = { points: true, mask: true, heat: null, others: null };
    this.stop = on("objects", () => this.refresh());
    this.clear();
    this.drawTools();
    this.onchange = onchange; // its owner is not ready before
  }

  destroy() {
    this.stop();
    this.request?.abort();
    this.viewport.destroy();
  }

  // Show a photo; start is { bits, object } of a mask to put right, or null. Of a clip's frame that is
  // shown already (keepsPlace) what was drawn meanwhile stays.
  async open(photo, start = null, keepsPlace = false) {
    const opening = (this.opening = {});
    this.photo = photo;
    this.element.classList.add("waiting");
    const image = new Image();
    image.src = api.picture(photo, 2048);
    try {
      const [size] = await Promise.all([api.open(photo.id), image.decode()]);
      if (this.opening !== opening) return false;
      const same = this.viewport.size.width === size.width && this.viewport.size.height === size.height;
      const stays = same && this.viewport.image && keepsPlace;
      this.size = size.mask;
      this.photoSize = size;
      this.start = start;
      if (stays && this.edited) this.refresh();
      else this.clear();
      if (stays) this.viewport.image = image;
      else this.viewport.show(image, size);
      return true;
    } finally {
      if (this.opening === opening) this.element.classList.remove("waiting");
    }
  }

  // Only look at a picture: without its tools, and as fast as it comes.
  async peek(photo) {
    const opening = (this.opening = {});
    this.photo = photo;
    const image = new Image();
    image.src = api.picture(photo, 2048);
    await image.decode().catch(() => undefined);
    if (this.opening !== opening || !image.naturalWidth) return;
    const size = { width: image.naturalWidth, height: image.naturalHeight };
    const same = this.viewport.image && this.viewport.size.width === size.width && this.viewport.size.height === size.height;
    this.start = null;
    if (this.edited) this.clear(); // it was drawn on the picture before
    if (same) {
      this.viewport.image = image;
      this.viewport.redraw();
    } else {
      this.size = null; // nothing can be drawn before it is open
      this.viewport.show(image, size);
    }
  }

  clear() {
    this.request?.abort();
    this.state = EMPTY;
    this.paint = new Paint(this.size || { width: 1, height: 1 });
    this.model = null;
    this.past = [];
    this.future = [];
    this.score = NaN;
    this.refresh();
  }

  get edited() {
    return this.past.length > 0;
  }

  get asks() {
    return this.state.points.length > 0 || this.state.box !== null;
  }

  // The mask as it stands, in screen resolution.
  bits() {
    if (!this.size) return null;
    return this.paint.over(this.asks ? this.model : this.start?.bits);
  }

  hasMask() {
    return anything(this.bits());
  }

  // What the server needs to make the same mask at the photo's own resolution.
  async drawing() {
    return { ...this.state, start: this.start?.object ?? null, paint: await this.paint.png() };
  }

  remember() {
    this.past.push({ state: this.state, paint: this.paint.copy(), model: this.model, score: this.score });
    if (this.past.length > 60) this.past.shift();
    this.future = [];
  }

  step(from, to) {
    if (!from.length) return;
    to.push({ state: this.state, paint: this.paint, model: this.model, score: this.score });
    this.request?.abort();
    Object.assign(this, from.pop());
    if (this.asks && !this.model) this.ask();
    this.refresh();
  }

  undo = () => this.step(this.past, this.future);
  redo = () => this.step(this.future, this.past);

  click(point, off) {
    if (!this.size || ["brush", "eraser"].includes(this.tool) || !this.viewport.inside(point)) return;
    this.remember();
    const label = off || this.tool === "off" ? 0 : 1;
    this.state = { ...this.state, points: [...this.state.points, [...point.map(Math.round), label]], choice: null };
    this.ask();
  }

  dragStart(point, event, moved) {
    if (!this.size) return false;
    if (["brush", "eraser"].includes(this.tool)) {
      this.remember();
      this.last = point;
      this.drag(point);
      return true;
    }
    const boxes = this.tool === "box" || (this.tool === "on" && moved && event.pointerType !== "touch");
    if (boxes && !event.altKey) this.rubber = [point, point];
    return boxes && !event.altKey;
  }

  drag(point) {
    if (this.rubber) this.rubber = [this.rubber[0], this.viewport.clamp(point)];
    else if (this.last) {
      const scale = this.size.width / this.photoSize.width;
      const at = ([x, y]) => [x * scale, y * scale];
      const radius = Math.max(0.6, (this.radius / this.viewport.scale) * scale);
      this.paint.stroke(at(this.last), at(point), radius, this.tool === "eraser" ? ERASE : ADD);
      this.last = point;
      this.tint = null;
    }
    this.viewport.redraw();
  }

  dragEnd(point) {
    const { rubber } = this;
    this.rubber = this.last = null;
    if (!rubber) return this.refresh();
    const [[a, b], [c, d]] = rubber.map(this.viewport.clamp);
    const box = [Math.min(a, c), Math.min(b, d), Math.max(a, c), Math.max(b, d)].map(Math.round);
    const wide = Math.min(box[2] - box[0], box[3] - box[1]);
    if (!point || wide < 3) return this.viewport.redraw();
    this.remember();
    this.state = { ...this.state, box, choice: null };
    return this.ask();
  }

  hover(point) {
    this.at = point;
    if (["brush", "eraser"].includes(this.tool)) this.viewport.redraw();
  }

  choose(step) {
    if (!this.asks) return;
    this.remember();
    const now = this.state.choice ?? 1;
    this.state = { ...this.state, choice: Math.min(2, Math.max(0, now + step)) };
    this.ask();
  }

  async ask() {
    this.request?.abort();
    const request = (this.request = new AbortController());
    this.refresh();
    if (!this.start && !this.state.points.some((point) => point[2] === 1) && !this.state.box) {
      // Only "not it", and no mask to take it from: nothing to find yet.
      this.model = null;
      return this.refresh();
    }
    const began = performance.now();
    const drawing = { ...this.state, start: this.start?.object ?? null };
    try {
      // A mask at once, and where the model takes a second look, the finer one as soon as it is there.
      for (const closely of [false, true]) {
        const { mask, score, closer } = await api.outline(this.photo.id, drawing, closely, request.signal);
        if (this.request !== request) return;
        Object.assign(this, { model: mask, score });
        this.refresh();
        const measure = closely ? "click-to-finer-mask" : "click-to-mask";
        requestAnimationFrame(() => performance.measure(measure, { start: began, end: performance.now() }));
        if (!closer) return;
      }
    } catch (error) {
      if (error.name !== "AbortError") toast(error.message, { kind: "bad" });
    }
  }

  refresh() {
    this.tint = null;
    this.viewport.redraw();
    this.onchange?.();
    if (this.undoButton) {
      this.undoButton.disabled = !this.past.length;
      this.redoButton.disabled = !this.future.length;
      for (const one of this.sizeButtons) one.disabled = !this.asks;
    }
  }

  draw(context, toScreen) {
    const { overlays, viewport } = this;
    if (overlays.others) viewport.layer(overlays.others);
    if (overlays.heat) viewport.layer(overlays.heat);
    if (overlays.mask && this.size) {
      this.tint ||= tinted(this.bits(), () => colourOf(store.active), { fill: 88 });
      viewport.layer(this.tint);
    }
    if (overlays.points) this.drawMarks(context, toScreen);
    if (this.at && ["brush", "eraser"].includes(this.tool)) ring(context, toScreen(this.at), this.radius);
  }

  drawMarks(context, toScreen) {
    const box = this.rubber ? this.rubber.flat() : this.state.box;
    if (box) {
      const [a, b] = [toScreen(box.slice(0, 2)), toScreen(box.slice(2))];
      for (const [colour, width, dash] of [["rgb(0 0 0 / 55%)", 3, []], ["#fff", 1.5, [6, 4]]]) {
        context.strokeStyle = colour;
        context.lineWidth = width;
        context.setLineDash(dash);
        context.strokeRect(a[0], a[1], b[0] - a[0], b[1] - a[1]);
      }
      context.setLineDash([]);
    }
    for (const [x, y, label] of [...(this.shownPoints || []), ...this.state.points]) mark(context, toScreen([x, y]), label);
  }

  drawTools() {
    const pick = (tool) => {
      this.tool = tool;
      this.viewport.canvas.dataset.tool = tool;
      this.drawTools();
      this.viewport.redraw();
    };
    this.pick = pick;
    const tools = TOOLS.map(([tool, label, icon, key, hint]) =>
      button(label, { icon, hint, kind: this.tool === tool ? "tool chosen" : "tool", "aria-pressed": this.tool === tool, "aria-keyshortcuts": key }, () => pick(tool)));
    const size = h("input", {
      type: "range", min: 2, max: 80, value: this.radius, "aria-label": "Size of the brush", class: "brush",
      oninput: (event) => { this.radius = Number(event.target.value); this.viewport.redraw(); },
    });
    this.sizeButtons = [
      button("Smaller", { icon: "smaller", key: "[", hint: "A smaller part: the click meant less", kind: "bare" }, () => this.choose(-1)),
      button("Larger", { icon: "larger", key: "]", hint: "The larger whole: the click meant more", kind: "bare" }, () => this.choose(1)),
    ];
    this.undoButton = button("Undo", { icon: "undo", key: "Ctrl Z", kind: "bare" }, this.undo);
    this.redoButton = button("Redo", { icon: "redo", key: "Ctrl Y", kind: "bare" }, this.redo);
    fill(this.toolbar,
      h("div.group", {}, tools),
      ["brush", "eraser"].includes(this.tool) ? size : h("div.group", {}, this.sizeButtons),
      h("div.group", {}, this.undoButton, this.redoButton, button("Whole photo", { icon: "fit", key: "0", kind: "bare" }, () => this.viewport.fit())));
    this.refresh();
  }

  // Keys of the tools; true where one was meant.
  key(event) {
    const command = event.ctrlKey || event.metaKey;
    const name = event.key.toLowerCase();
    if (command && name === "z") event.shiftKey ? this.redo() : this.undo();
    else if (command && name === "y") this.redo();
    else if (command) return false;
    else if (event.key === "[") this.choose(-1);
    else if (event.key === "]") this.choose(1);
    else if (event.key === "0") this.viewport.fit();
    else if (event.key === "+") this.viewport.zoom(1.3);
    else if (event.key === "-") this.viewport.zoom(1 / 1.3);
    else if (event.key === "Escape" && this.edited) this.clear();
    else {
      const tool = TOOLS.find(([, , , key]) => key === event.key);
      if (!tool) return false;
      this.pick(tool[0]);
    }
    return true;
  }
}

function mark(context, [x, y], label) {
  const unit = screenUnit();
  context.beginPath();
  context.arc(x, y, 7 * unit, 0, 2 * Math.PI);
  context.fillStyle = label ? "#0ca678" : "#e03131";
  context.fill();
  context.lineWidth = 2 * unit;
  context.strokeStyle = "#fff";
  context.stroke();
  context.beginPath();
  context.moveTo(x - 3.2 * unit, y);
  context.lineTo(x + 3.2 * unit, y);
  if (label) {
    context.moveTo(x, y - 3.2 * unit);
    context.lineTo(x, y + 3.2 * unit);
  }
  context.stroke();
}

function ring(context, [x, y], radius) {
  for (const [colour, width] of [["rgb(0 0 0 / 60%)", 3], ["#fff", 1.3]]) {
    context.beginPath();
    context.arc(x, y, radius, 0, 2 * Math.PI);
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.stroke();
  }
}
