// Take away: what is written where, and the command line that does the same.

import { api } from "./api.js";
import { button, fill, h, icon, toast } from "./dom.js";
import { counts } from "./sorting.js";
import { busy, learnable, on, store } from "./store.js";

const PRODUCTS = [
  ["masks", "Masks", "PNG of each photo's size; several objects as an indexed one"],
  ["cutouts", "Cut-outs", "PNG with transparency, one for each object, as large as it is"],
  ["overlays", "Overlays", "The photos with the objects tinted, to look through"],
  ["photos", "Copies of the found photos", "In a folder of their own; the originals stay where they are"],
  ["concepts", "Concept files", "What was learnt, to search other albums with"],
];

export function takeView(_argument, go) {
  const chosen = new Set(["masks", "cutouts"]);
  const name = h("input", { type: "text", maxLength: 60, placeholder: "date and time", "aria-label": "Name of the folder" });
  const list = h("div.products");
  const look = { edges: "soft", crop: true, background: "", format: "png" };
  const told = h("p.hint");
  const write = h("div.actions");
  const where = h("div.where");
  const taken = h("div.commands");
  const commands = h("div.commands");
  const element = h("div.take", {}, h("section", {}, h("h1", {}, "Take away"), told, list,
    h("label.field", {}, h("span", {}, "Folder"), name), write, where, taken), h("section", {}, h("h2", {}, "The same on the command line"), commands));

  function draw() {
    const all = counts();
    fill(told, `${all.present} of ${store.photos.size} photos show ${store.objects.length > 1 ? "an object" : "the object"} at ${Math.round(100 * store.threshold)} % or by your word. `,
      h("button.link", { type: "button", onclick: () => go("find") }, "Look through them"));
    const tick = (key) => h("input", { type: "checkbox", checked: chosen.has(key), onchange: (event) => { event.target.checked ? chosen.add(key) : chosen.delete(key); draw(); } });
    const product = ([key, label, hint]) => h("div.product", {}, h("label", {}, tick(key), h("span", {}, h("b", {}, label), h("small", {}, hint))),
      key === "cutouts" && chosen.has(key) && looks());
    fill(list, PRODUCTS.map(product),
      h("fieldset.formats", {}, h("legend", {}, "For other tools, as labels with the photos"), Object.entries(store.labelFormats).map(([key, label]) => h("label", {}, tick(key), label))));
    const { progress } = store;
    const writing = busy() && progress.job === "Writing";
    fill(write, button(writing ? `Writing ${progress.done} of ${progress.total}` : "Write them", { icon: "take", kind: "primary", disabled: busy() || !chosen.size }, start),
      busy() && !writing && h("span.quiet", {}, "A search is running; wait, or stop it."));
  }

  // How cut-outs look.
  function looks() {
    const choice = (key, label, options) => h("label", {}, label, h("select", { onchange: (event) => { look[key] = JSON.parse(event.target.value); } },
      options.map(([value, text]) => h("option", { value: JSON.stringify(value), selected: look[key] === value }, text))));
    return h("div.looks", {},
      choice("edges", "Edges", [["soft", "soft"], ["hard", "hard"]]),
      choice("crop", "Size", [[true, "as large as the object"], [false, "the whole photo"]]),
      choice("background", "Background", [["", "none"], ["#ffffff", "white"], ["#000000", "black"], ["blur", "the photo, blurred"]]),
      choice("format", "File", [["png", "PNG"], ["webp", "WebP"]]));
  }

  async function start() {
    try {
      const body = { products: [...chosen], min_presence: store.threshold, name: name.value.trim(), ...look };
      await api.takeAway(body);
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

  const done = ({ folder, photos }) => {
    fill(where, h("p.good", {}, `${photos} photos written to `), h("div.command", {}, h("code", {}, folder), copier(folder)));
    earlier();
    where.scrollIntoView({ block: "center" });
  };

  async function earlier() {
    const names = await api.exports().catch(() => []);
    fill(taken, names.length > 0 && h("h2", {}, "Taken away before"), names.map((one) => h("div.command", {}, h("code", {}, one),
      h("a.button", { href: api.zip(one), download: `${one}.zip`, title: `Download ${one} as one file` }, icon("take"), h("span", {}, "zip")))));
  }

  const stops = [on("session objects progress", draw), on("objects", lines), on("exported", done)];
  draw();
  earlier();
  lines().catch((error) => toast(error.message, { kind: "bad" }));
  return { element, open() {}, key: () => false, destroy: () => stops.forEach((stop) => stop()) };
}

function copier(text) {
  return button("Copy", { icon: "copy", kind: "bare small" }, async () => {
    await navigator.clipboard.writeText(text);
    toast("Copied.", { seconds: 2 });
  });
}
