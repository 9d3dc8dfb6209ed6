// Take away: what is written where, and the command line that does the same.

import { api } from "./api.js";
import { button, fill, h, toast } from "./dom.js";
import { counts } from "./sorting.js";
import { busy, learnable, on, store } from "./store.js";

const PRODUCTS = [
  ["masks", "Masks", "PNG of each photo's size; several objects as an indexed one"],
  ["cutouts", "Cut-outs", "PNG with transparency, one for each object, as large as it is"],
  ["overlays", "Overlays", "The photos with the objects tinted, to look through"],
  ["photos", "The found photos", "Copies of the photos that show the object"],
  ["concepts", "Concept files", "What was learnt, to search other albums with"],
];

export function takeView(_argument, go) {
  const chosen = new Set(["masks", "cutouts"]);
  const name = h("input", { type: "text", maxLength: 60, placeholder: "date and time", "aria-label": "Name of the folder" });
  const list = h("div.products");
  const told = h("p.hint");
  const write = h("div.actions");
  const where = h("div.where");
  const commands = h("div.commands");
  const element = h("div.take", {}, h("section", {}, h("h1", {}, "Take away"), told, list,
    h("label.field", {}, h("span", {}, "Folder"), name), write, where), h("section", {}, h("h2", {}, "The same on the command line"), commands));

  function draw() {
    const all = counts();
    fill(told, `${all.present} of ${store.photos.size} photos show the object at ${Math.round(100 * store.threshold)} % or by your word. `,
      h("button.link", { type: "button", onclick: () => go("find") }, "Look through them"));
    fill(list, [...PRODUCTS, ...(store.formats || [])].map(([key, label, hint]) => h("label.product", {},
      h("input", { type: "checkbox", checked: chosen.has(key), onchange: (event) => { event.target.checked ? chosen.add(key) : chosen.delete(key); draw(); } }),
      h("span", {}, h("b", {}, label), h("small", {}, hint)))));
    const { progress } = store;
    const writing = busy() && progress.job === "Writing";
    fill(write, button(writing ? `Writing ${progress.done} of ${progress.total}` : "Write them", { icon: "take", kind: "primary", disabled: busy() || !chosen.size }, start),
      busy() && !writing && h("span.quiet", {}, "A search is running; wait, or stop it."));
  }

  async function start() {
    try {
      const body = { products: [...chosen], min_presence: store.threshold, name: name.value.trim() };
      store.lastFolder = (await api.takeAway(body)).folder;
      name.value = "";
    } catch (error) {
      toast(error.message, { kind: "bad" });
    }
  }

  async function lines() {
    if (!learnable()) return fill(commands, h("p.hint", {}, "Nothing yet: show an object first."));
    const { lines: told } = await api.commands();
    return fill(commands, h("p.hint", {}, "The search goes on in the same folder; masks made by hand are left alone."),
      told.map((line) => h("div.command", {}, h("code", {}, line), copier(line))));
  }

  const done = ({ folder, photos }) => fill(where, h("p.good", {}, `${photos} photos written to `), h("div.command", {}, h("code", {}, folder), copier(folder)));
  const stops = [on("session objects progress", draw), on("objects", lines), on("exported", done)];
  draw();
  lines().catch((error) => toast(error.message, { kind: "bad" }));
  return { element, open() {}, key: () => false, destroy: () => stops.forEach((stop) => stop()) };
}

function copier(text) {
  return button("Copy", { icon: "copy", kind: "bare small" }, async () => {
    await navigator.clipboard.writeText(text);
    toast("Copied.", { seconds: 2 });
  });
}
