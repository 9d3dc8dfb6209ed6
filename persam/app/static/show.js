// Show: pick a photo, click on the object, use the mask as reference.

import { api } from "./api.js";
import { button, fill, h, toast } from "./dom.js";
import { Editor } from "./editor.js";
import { activeObject, objectBar } from "./objects.js";
import { judge } from "./sorting.js";
import { adder } from "./uploads.js";
import { Tile } from "./tiles.js";
import { busy, learnable, on, store } from "./store.js";

const FINE = window.matchMedia("(pointer: fine)").matches;
const RIGHT = FINE ? "Is the mask right? Then use it. Click where it is missing; right click (or Alt) where it is too much."
  : "Is the mask right? Then use it. Tap where it is missing; choose − and tap where it is too much.";
const FIRST = FINE ? "Click on the object, or drag a box round it. The mask follows." : "Tap on the object, or choose the box and drag it round. The mask follows.";

export function showView(id, go) {
  const tiles = new Map();
  const bar = objectBar();
  const editor = new Editor(() => actions());
  const strip = h("div.strip", { "aria-label": "Photos" });
  const foot = h("div.actions");
  const hint = h("p.hint");
  const stage = h("section.stage", {}, bar.element, editor.element, hint, foot);
  const element = h("div.show", {}, h("aside.photos", {}, h("div.row", {}, h("h2", {}, "Photos"), h("span.grow"), adder("bare small")), strip), stage);
  let photo = null;

  function list() {
    for (const one of store.photos.values()) {
      if (tiles.has(one.id)) tiles.get(one.id).update(one);
      else {
        const tile = new Tile(one, (chosen) => go(`show/${chosen.id}`), { caption: false });
        tile.element.title = one.name;
        tiles.set(one.id, tile);
        strip.append(tile.element);
      }
    }
    for (const tile of tiles.values()) tile.element.classList.toggle("chosen", tile.photo.id === photo?.id);
  }

  async function open(wanted) {
    photo = store.photos.get(wanted) || store.photos.values().next().value || null;
    list();
    if (!photo) return fill(hint, "No photos yet: drop some on this page, or add them.");
    tiles.get(photo.id).element.scrollIntoView({ block: "nearest", inline: "nearest" });
    try {
      await editor.open(photo);
    } catch (error) {
      toast(error.message, { kind: "bad" });
    }
    actions();
  }

  async function keep(kind) {
    const name = await activeObject();
    if (!name || !photo) return;
    const shown = photo;
    try {
      await api.keepMask(shown.id, name, kind, await editor.drawing());
      if (photo === shown) editor.clear();
      const more = kind === "other" ? `The search keeps ${name} apart from it.` : `Shown: this is ${name}.`;
      const unfound = kind === "shown" && !busy();
      toast(more, unfound ? { kind: "good", action: "Find it", onaction: () => go("find/now") } : { kind: "good" });
    } catch (error) {
      toast(error.message, { kind: "bad" });
    }
  }

  async function takeBack(other) {
    try {
      await api.verdict(photo.id, store.active, other ? "not-other" : "none");
    } catch (error) {
      toast(error.message, { kind: "bad" });
    }
  }

  function actions() {
    if (!photo) return;
    const one = store.photos.get(photo.id) || photo;
    const marked = store.active && judge(one, store.active).mark;
    const other = one.others.includes(store.active);
    const mask = editor.hasMask();
    fill(hint, mask ? RIGHT : FIRST);
    fill(foot,
      button("Use as reference", { kind: "primary", key: "Enter", disabled: !mask }, () => keep("shown")),
      button("Not this one", { key: "X", hint: "This is not the object, however like it", disabled: !mask || !learnable() }, () => keep("other")),
      editor.edited && button("Clear", { key: "Esc" }, () => editor.clear()),
      marked && !editor.edited && button("Take the reference back", { icon: "trash" }, () => takeBack(false)),
      other && !editor.edited && button('Take "not this one" back', { icon: "trash" }, () => takeBack(true)),
      h("span.grow"),
      learnable() && button(`Find it in ${store.photos.size} photos`, { icon: "find", kind: "next" }, () => go("find/now")));
    ghost(one);
  }

  // What was said of this photo before, under the mask that is being made.
  async function ghost(one) {
    const version = one.version;
    if (ghost.of === `${one.id} ${version} ${editor.edited}`) return;
    ghost.of = `${one.id} ${version} ${editor.edited}`;
    editor.overlays.others = null;
    if (!editor.edited && Object.keys(one.marks).length) {
      const { numbered, tinted } = await import("./layers.js");
      const bits = await api.labels(one, 1024).catch(() => null);
      if (bits && photo?.id === one.id) editor.overlays.others = tinted(bits, numbered(() => true), { fill: 60 });
    }
    editor.viewport.redraw();
  }

  const stops = [on("photo session objects", () => (list(), actions())), on("active", () => (editor.refresh(), actions())), on("progress", actions)];
  open(id);
  return {
    element,
    open,
    key(event) {
      if (event.key === "Enter" && editor.hasMask()) keep("shown");
      else if (event.key.toLowerCase() === "x" && editor.hasMask() && learnable()) keep("other");
      else return editor.key(event);
      return true;
    },
    destroy() {
      stops.forEach((stop) => stop());
      bar.destroy();
      editor.destroy();
      for (const tile of tiles.values()) tile.destroy();
    },
  };
}
