// The page: one address, a few views, one connection that tells what happens.

import { api, listen } from "./api.js";
import { button, fill, h, icon, toast } from "./dom.js";
import { correctView } from "./correct.js";
import { gridView } from "./grid.js";
import { showKeys } from "./help.js";
import { showView } from "./show.js";
import { takeView } from "./take.js";
import { addFiles } from "./uploads.js";
import { videoView } from "./video.js";
import { busy, emit, learnable, on, store, takeObjects, takePhoto, takeSession } from "./store.js";

const VIEWS = {
  show: ["Show", "show", showView],
  find: ["Find", "find", gridView],
  correct: ["Correct", "correct", correctView],
  video: ["Video", "video", videoView],
  take: ["Take away", "take", takeView],
};
const shownViews = () => Object.entries(VIEWS).filter(([name]) => name !== "video" || store.clips.length);
const bar = document.getElementById("bar");
const tabs = document.getElementById("tabs");
const place = document.getElementById("view");
let current = null;

const go = (where) => { window.location.hash = `#${where}`; };

function route() {
  if (!store.ready) return;
  const [name, argument] = decodeURIComponent(window.location.hash.slice(1)).split("/");
  const wanted = name in VIEWS ? name : learnable() ? "find" : "show";
  if (current?.name === wanted && wanted !== "find") return current.view.open(argument);
  current?.view.destroy();
  document.querySelectorAll(".toast:not(.bad)").forEach((note) => note.remove()); // of what was done there
  const view = VIEWS[wanted][2](argument, go);
  current = { name: wanted, view };
  place.className = wanted;
  place.replaceChildren(view.element);
  if (argument === "now") history.replaceState(null, "", `#${wanted}`);
  drawTabs();
}

function drawTabs() {
  fill(tabs, shownViews().map(([name, [label, sign]]) =>
    h("a.tab", { href: `#${name}`, "aria-current": current?.name === name ? "page" : null }, icon(sign), h("span", {}, label))));
}

function drawBar() {
  const { model } = store;
  const told = { loading: "Model is loading", ready: model.name, failed: "Model failed" }[model.status];
  fill(bar,
    h("a.brand", { href: "#find" }, h("img", { src: "/static/icon.svg", alt: "", width: 24, height: 24 }), h("span", {}, "persam")),
    h("span.folder", { title: store.run || "" }, store.folder || ""),
    tabs,
    h("span.grow"),
    busy() && h("span.status", {}, `${store.progress.job} ${store.progress.done} / ${store.progress.total}`),
    h("span.status.model", { class: store.connected ? model.status : "failed", title: model.error || store.run || "" }, h("i"), store.connected ? told : "Server is away"),
    button("Keys", { icon: "keys", kind: "bare keys-button", key: "?" }, showKeys),
    button("Light or dark", { icon: "theme", kind: "bare" }, theme));
}

function theme() {
  const dark = window.matchMedia("(prefers-color-scheme: dark)").matches;
  const now = document.documentElement.dataset.theme || (dark ? "dark" : "light");
  const next = now === "dark" ? "light" : "dark";
  document.documentElement.dataset.theme = next;
  localStorage.setItem("persam-theme", next);
}

function key(event) {
  const typing = event.target.closest?.("input:not([type=range]):not([type=checkbox]), select, textarea");
  if (typing || !current) return;
  if (document.querySelector("dialog[open]")) return;
  if (event.key === "?") return showKeys();
  const onButton = event.target.closest?.("button, a") && [" ", "Enter"].includes(event.key);
  if (onButton) return;
  if (current.view.key(event)) event.preventDefault();
}

async function refresh() {
  try {
    const session = await api.session();
    const first = !store.ready;
    store.connected = true;
    takeSession(session);
    drawBar();
    drawTabs();
    if (first) route();
  } catch (error) {
    if (!store.ready) fill(place, h("p.fatal", {}, error.message));
    if (error.status === 403) toast(error.message, { kind: "bad", seconds: 60 });
  }
}

function changes(list) {
  store.changed = new Set(list.map((one) => one.photo));
  emit("changes");
  if (!list.length) return;
  const gone = list.filter((one) => one.before !== null && one.after === null).length;
  const come = list.filter((one) => one.before === null && one.after !== null).length;
  const other = list.length - gone - come;
  const parts = [other && `${other} masks changed`, come && `${come} newly found`, gone && `${gone} no more`].filter(Boolean);
  toast(`What changed: ${parts.join(", ")}.`, { seconds: 15, action: "Look at them", onaction: () => { store.filter = "changed"; store.sort = "likelihood"; go("find"); } });
}

function progress(data) {
  const before = store.progress.status;
  store.progress = { ...data, at: performance.now() };
  emit("progress");
  drawBar();
  if (before === "running" && data.status === "failed") toast(data.error, { kind: "bad", seconds: 20 });
}

document.documentElement.dataset.theme = localStorage.getItem("persam-theme") || "";
window.addEventListener("hashchange", route);
document.addEventListener("keydown", key);
document.addEventListener("dragover", (event) => event.preventDefault());
document.addEventListener("drop", (event) => {
  event.preventDefault();
  if (event.dataTransfer?.files.length) addFiles([...event.dataTransfer.files]);
});
on("session objects", drawBar);
drawBar();
drawTabs();
listen({
  hello: refresh,
  lost: () => { store.connected = false; drawBar(); },
  photo: ({ photo }) => takePhoto(photo),
  objects: takeObjects,
  progress,
  frame: (data) => emit("frame", data),
  clip: (data) => emit("clip", data),
  tracked: (data) => emit("tracked", data),
  changes: (data) => changes(data.changes),
  exported: (data) => { toast(`${data.photos} photos written.`, { kind: "good" }); emit("exported", data); },
  model: (model) => { store.model = model; drawBar(); if (model.status === "failed") toast(model.error, { kind: "bad", seconds: 60 }); refresh(); },
});
