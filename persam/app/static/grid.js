// Find: the album as a grid that fills as photos are done; order and filter without a new search.

import { api } from "./api.js";
import { button, fill, h, toast } from "./dom.js";
import { objectBar } from "./objects.js";
import { FILTERS, SORTS, counts, shownPhotos } from "./sorting.js";
import { adder } from "./uploads.js";
import { Tile } from "./tiles.js";
import { busy, learnable, on, store } from "./store.js";

export function gridView(argument, go) {
  const tiles = new Map();
  const bar = objectBar({ adding: false });
  const grid = h("div.grid", { role: "list" });
  const filters = h("div.filters", { role: "group", "aria-label": "Filter" });
  const found = h("output.count");
  const run = h("div.run");
  const empty = h("div.empty", { hidden: true });
  const slider = h("input", { type: "range", min: 0, max: 100, step: 1, value: Math.round(100 * store.threshold), "aria-label": "Presence", id: "presence" });
  const value = h("output", {}, percent());
  const sort = h("select", { "aria-label": "Order", onchange: () => { store.sort = sort.value; arrange(); } },
    Object.entries(SORTS).map(([key, [label]]) => h("option", { value: key, selected: key === store.sort }, label)));
  const element = h("div.find", {}, h("div.panel", {},
    h("div.row", {}, run, bar.element, found),
    h("div.row", {}, filters, h("span.grow"),
      h("label.slider", { title: "How sure it must be: photos below it count as not here. Nothing is searched again." }, h("span", {}, "Sure by"), slider, value), sort)), grid, empty);
  let pending = null;
  let saving = null;

  slider.addEventListener("input", () => {
    store.threshold = Number(slider.value) / 100;
    value.textContent = percent();
    for (const tile of tiles.values()) tile.update(tile.photo);
    arrange();
    clearTimeout(saving);
    saving = setTimeout(() => api.slider(store.threshold).catch(() => {}), 400);
  });

  function arrange() {
    pending = null;
    const shown = shownPhotos();
    const wanted = new Set(shown.map((photo) => photo.id));
    for (const photo of shown) {
      if (!tiles.has(photo.id)) {
        const tile = new Tile(photo, (one) => go(`correct/${one.id}`));
        tile.element.setAttribute("role", "listitem");
        tiles.set(photo.id, tile);
      }
    }
    for (const [id, tile] of tiles) if (!wanted.has(id)) { tile.destroy(); tiles.delete(id); }
    place(grid, shown.map((photo) => tiles.get(photo.id).element));
    const all = counts();
    found.textContent = `Found in ${all.present} of ${store.photos.size}`;
    fill(filters, FILTERS.filter(([key]) => all[key] || ["all", "present", store.filter].includes(key)).map(([key, label]) =>
      h("button.filter", { type: "button", "aria-pressed": store.filter === key, onclick: () => { store.filter = key; arrange(); } }, label, h("b", {}, String(all[key])))));
    explain(shown);
  }

  function explain(shown) {
    empty.hidden = shown.length > 0;
    if (shown.length) return;
    const photos = store.photos.size;
    fill(empty, h("p", {}, photos ? "No photo here. Choose another filter, or move the slider." : "No photos yet: drop some on this page."), !photos && adder("primary"),
      photos > 0 && store.filter !== "all" && button("Show all", {}, () => { store.filter = "all"; arrange(); }));
  }

  const soon = () => { pending ||= setTimeout(arrange, store.progress.status === "running" ? 250 : 30); };

  function drawRun() {
    const { progress } = store;
    if (!learnable()) {
      return fill(run, h("p.hint", {}, "First show the object in one photo."), button("Show it", { icon: "show", kind: "primary" }, () => go("show")));
    }
    if (busy()) {
      const share = progress.total ? progress.done / progress.total : 0;
      return fill(run, button("Stop", { icon: "stop", disabled: progress.status === "stopping" }, () => api.cancel()),
        h("div.progress", { role: "progressbar", "aria-valuenow": Math.round(100 * share), "aria-valuemin": 0, "aria-valuemax": 100, "aria-label": progress.job },
          h("i", { style: { width: `${100 * share}%` } })),
        h("span.quiet", {}, `${progress.done} of ${progress.total}${left(progress)}`));
    }
    const undone = [...store.photos.values()].filter((photo) => !photo.done && !Object.keys(photo.marks).length).length;
    const some = undone < store.photos.size;
    fill(run,
      button(some && undone ? `Go on: ${undone} left` : undone ? "Find it" : "Search again", { icon: "find", kind: undone ? "primary" : "" }, () => start(false)),
      store.unlearnt > 0 && button(`Learn from ${store.unlearnt} corrected`, { icon: "learn", kind: "primary" }, () => start(true)),
      progress.status === "failed" && h("span.error", {}, progress.error));
  }

  async function start(improve) {
    try {
      store.changed = new Set();
      await api.find(improve);
    } catch (error) {
      toast(error.message, { kind: "bad" });
    }
  }

  const stops = [
    on("photo", (photo) => { tiles.get(photo.id)?.update(photo); soon(); }),
    on("session objects", () => { drawRun(); soon(); }),
    on("active", () => undefined),
    on("progress", drawRun),
    on("changes", soon),
  ];
  drawRun();
  arrange();
  if (argument === "now" && learnable() && !busy()) start(false);
  return {
    element,
    open() {},
    key(event) {
      if (!["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End"].includes(event.key)) return false;
      return step(grid, event.key);
    },
    destroy() {
      clearTimeout(pending);
      stops.forEach((stop) => stop());
      bar.destroy();
      for (const tile of tiles.values()) tile.destroy();
    },
  };
}

const percent = () => `${Math.round(100 * store.threshold)} %`;

function left({ total, done, skipped, elapsed, at }) {
  const looked = done - skipped;
  if (!elapsed || looked < 2 || done >= total) return "";
  const seconds = Math.max(1, Math.round(((elapsed + (performance.now() - at) / 1000) / looked) * (total - done)));
  return seconds < 90 ? `, ${seconds} s left` : `, ${Math.round(seconds / 60)} min left`;
}

// Bring elements into their order with as few moves as the order allows, so that nothing flickers.
function place(parent, elements) {
  let before = parent.firstChild;
  for (const element of elements) {
    if (element === before) before = before.nextSibling;
    else parent.insertBefore(element, before);
  }
}

// Arrow keys go from tile to tile, up and down by rows.
function step(grid, key) {
  const tiles = [...grid.children];
  const at = tiles.indexOf(document.activeElement);
  if (!tiles.length) return false;
  const row = tiles.filter((tile) => tile.offsetTop === tiles[0].offsetTop).length;
  const to = { ArrowLeft: at - 1, ArrowRight: at + 1, ArrowUp: at - row, ArrowDown: at + row, Home: 0, End: tiles.length - 1 }[key];
  const tile = tiles[Math.min(tiles.length - 1, Math.max(0, at < 0 ? 0 : to))];
  tile.focus();
  return true;
}
