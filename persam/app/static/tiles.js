// Thumbnails with the outlines of what was found; loaded when they come into sight.

import { api } from "./api.js";
import { fill, h, icon } from "./dom.js";
import { tinted } from "./layers.js";
import { colourOfNumber, css, colourOf } from "./store.js";
import { judgeAll } from "./sorting.js";

const SIDE = 320;
const MARKS = { shown: "show", corrected: "correct", right: "check", absent: "none", wrong: "cross" };
const kept = new Map(); // photo id -> { version, bits }: label maps of tiles, for the slider

const sight = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    const tile = entry.target.tile;
    tile.near = entry.isIntersecting;
    if (tile.near) tile.load();
  }
}, { rootMargin: "400px" });

export class Tile {
  constructor(photo, onopen, { caption = true } = {}) {
    this.photo = photo;
    this.image = h("img", { alt: "", decoding: "async", draggable: false });
    this.masks = h("canvas.masks", { "aria-hidden": "true" });
    this.badges = h("span.badges");
    this.told = h("span.told");
    this.element = h("button.tile", { type: "button", onclick: () => onopen(this.photo) },
      h("span.frame", {}, this.image, this.masks, this.badges),
      caption && h("span.caption", {}, h("span.name", {}, photo.name), this.told));
    this.element.tile = this;
    this.image.addEventListener("load", () => this.element.classList.add("loaded"));
    this.image.addEventListener("error", () => this.element.classList.add("broken"));
    sight.observe(this.element);
    this.update(photo);
  }

  destroy() {
    sight.unobserve(this.element);
    this.element.remove();
  }

  update(photo) {
    this.photo = photo;
    this.element.dataset.id = photo.id;
    const judged = judgeAll(photo);
    const present = judged.filter((one) => one.state === "present");
    this.element.classList.toggle("absent", photo.done && !present.length);
    this.element.classList.toggle("undone", !photo.done && !Object.keys(photo.marks).length);
    this.element.classList.toggle("failed", Boolean(photo.error));
    fill(this.badges, judged.filter((one) => one.mark).map((one) =>
      h("span.badge", { style: { "--colour": css(colourOf(one.name)) }, title: `${one.name}: ${word(one.mark)}` }, icon(MARKS[one.mark]))));
    this.describe(judged);
    if (this.near) this.load();
  }

  describe(judged) {
    const { photo } = this;
    fill(this.told);
    let text = photo.error ? "could not be read" : "";
    for (const one of judged) {
      if (one.state === "unknown") continue;
      const percent = one.hand ? word(one.mark) : `${Math.round(100 * one.presence)} %`;
      text += ` ${one.name}: ${percent}.`;
      this.told.append(h("span.meter", { style: { "--colour": css(colourOf(one.name)), "--share": `${Math.round(100 * one.presence)}%` }, class: one.state, title: `${one.name}: ${percent}` },
        h("i"), h("b", {}, one.hand ? word(one.mark) : percent)));
    }
    if (photo.error) this.told.append(h("span.error", { title: photo.error }, "could not be read"));
    else if (!this.told.children.length && !photo.done) this.told.append(h("span.quiet", {}, "not searched yet"));
    this.element.setAttribute("aria-label", `${photo.name}.${text}`);
  }

  async load() {
    const { photo } = this;
    const source = api.picture(photo, SIDE);
    if (this.image.getAttribute("src") !== source) this.image.src = source;
    if (photo.error || (!photo.done && !Object.keys(photo.marks).length)) return this.paint(null);
    try {
      const bits = await labelsOf(photo, SIDE);
      if (this.photo === photo) this.paint(bits);
    } catch {
      this.paint(null); // no mask: the photo alone says it
    }
  }

  paint(bits) {
    if (!bits) {
      this.masks.width = this.masks.width; // clears it
      return;
    }
    const shown = new Set(judgeAll(this.photo).map((one, index) => (one.state === "present" ? index + 1 : 0)));
    const made = tinted(bits, (number) => (shown.has(number) ? colourOfNumber(number) : null), { fill: 84, edge: 2 });
    this.masks.width = made.width;
    this.masks.height = made.height;
    this.masks.getContext("2d").drawImage(made, 0, 0);
  }
}

export const word = (mark) => ({ shown: "reference", corrected: "corrected", right: "right", absent: "not here", wrong: "wrong" })[mark] || "";

async function labelsOf(photo, side) {
  const had = kept.get(photo.id);
  if (had?.version === photo.version) return had.bits;
  const bits = await api.labels(photo, side);
  kept.set(photo.id, { version: photo.version, bits });
  if (kept.size > 1500) kept.delete(kept.keys().next().value);
  return bits;
}
