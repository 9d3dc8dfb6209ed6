// Correct: one photo in full, what was found in it, and one key for right, wrong and not here.

import { api } from "./api.js";
import { button, fill, h, toast } from "./dom.js";
import { Editor } from "./editor.js";
import { heat, numbered, only, tinted } from "./layers.js";
import { activate, objectBar } from "./objects.js";
import { judge, shownPhotos } from "./sorting.js";
import { word } from "./tiles.js";
import { busy, colourOf, css, on, store } from "./store.js";

const SIDE = 1024;

// Who comes to a photo comes for what was found there, rather than for what was not.
function lookAtFound(photo) {
  if (!photo || judge(photo, store.active).state === "present") return;
  const found = store.objects.find((one) => judge(photo, one.name).state === "present");
  if (found) activate(found.name);
}

export function correctView(id, go) {
  const bar = objectBar({ adding: false });
  const editor = new Editor(() => foot());
  const head = h("div.headline");
  const facts = h("div.facts");
  const switches = h("div.switches");
  const actions = h("div.actions");
  const stage = h("section.stage", {}, head, editor.element, actions);
  const element = h("div.correct", {}, stage, h("aside.side", {}, bar.element, facts, switches));
  let order = shownPhotos().map((photo) => photo.id);
  let photo = null;
  let heated = false;

  async function open(wanted) {
    if (!order.includes(wanted)) order = shownPhotos().map((one) => one.id);
    if (!order.includes(wanted)) order = [...store.photos.keys()];
    photo = store.photos.get(wanted) || store.photos.get(order[0]) || null;
    if (!photo) return fill(head, h("p.hint", {}, "No photo to look at."));
    editor.shownPoints = null;
    editor.overlays.heat = null;
    about();
    try {
      if (await editor.open(photo, null)) await masks();
    } catch (error) {
      toast(error.message, { kind: "bad" });
    }
  }

  // The photo's masks: the active object's can be put right, the others lie below it.
  async function masks() {
    const now = store.photos.get(photo.id);
    const number = store.objects.findIndex((one) => one.name === store.active) + 1;
    const bits = await api.labels(now, SIDE).catch(() => null);
    if (photo.id !== now.id) return;
    const judged = judge(now, store.active);
    const there = judged.state === "present" || judged.state === "wrong";
    const mine = bits && there ? only(bits, number) : null;
    editor.start = mine ? { bits: mine, object: store.active } : null;
    const present = store.objects.map((one) => judge(now, one.name).state === "present");
    editor.overlays.others = bits && tinted(bits, numbered((n) => n !== number && present[n - 1]), { fill: 60 });
    editor.shownPoints = judged.mark ? null : now.found[store.active]?.points;
    if (heated) await heatUp();
    editor.refresh();
    about();
  }

  async function heatUp() {
    try {
      editor.overlays.heat = heated ? heat(await api.confidence(photo.id, store.active, SIDE)) : null;
    } catch (error) {
      heated = false;
      toast(error.message, { kind: "bad" });
    }
    editor.viewport.redraw();
    drawSwitches();
  }

  function about() {
    const now = store.photos.get(photo.id) || photo;
    const place = order.indexOf(now.id);
    fill(head,
      button("Back to all", { icon: "find", key: "Esc", kind: "quiet-button" }, () => go("find")),
      button("Before", { icon: "left", kind: "bare", disabled: place <= 0 }, () => step(-1)),
      h("span.place", {}, place < 0 ? "" : `${place + 1} / ${order.length}`),
      button("Next", { icon: "right", kind: "bare", disabled: place < 0 || place >= order.length - 1 }, () => step(1)),
      h("strong.name", { title: now.name }, now.name));
    fill(facts, store.objects.map((one) => factsOf(now, one.name)),
      now.seconds !== null && now.seconds !== undefined && h("p.quiet", {}, `Searched in ${now.seconds.toFixed(2)} s`),
      now.error && h("p.error", {}, now.error));
    drawSwitches();
    foot();
  }

  function factsOf(now, name) {
    const judged = judge(now, name);
    const found = now.found[name];
    const said = judged.mark ? word(judged.mark) : { present: "found", absent: "not here", unknown: "not searched yet" }[judged.state];
    return h("dl.fact", { class: name === store.active ? "chosen" : "", style: { "--colour": css(colourOf(name)) } },
      h("dt", {}, h("i"), name), h("dd", {}, judged.doubtful && !judged.mark ? `${said}, doubtful` : said),
      found && h("dt", {}, "Presence"), found && h("dd", {}, found.presence === null ? (now.byHand ? "by hand" : "not known") : `${(100 * found.presence).toFixed(1)} %`),
      found?.box && h("dt", {}, "Score"), found?.box && h("dd", {}, found.score === null ? "by hand" : found.score.toFixed(3)));
  }

  function drawSwitches() {
    const { overlays } = editor;
    const toggle = (label, icon, key, pressed, flip) =>
      button(label, { icon, key, kind: "switch", "aria-pressed": pressed }, () => (flip(), drawSwitches(), editor.viewport.redraw()));
    fill(switches, h("h2", {}, "Show"),
      toggle("Mask", "eye", "B", overlays.mask, flips.b),
      toggle("Points", "points", "P", overlays.points, flips.p),
      toggle("Confidence map", "heat", "C", heated, flips.c));
  }

  const flips = {
    b: () => { editor.overlays.mask = !editor.overlays.mask; },
    p: () => { editor.overlays.points = !editor.overlays.points; },
    c: () => { heated = !heated; heatUp(); },
  };

  function foot() {
    if (!photo || !store.active) return;
    const now = store.photos.get(photo.id) || photo;
    const { mark, state } = judge(now, store.active);
    const say = (label, icon, key, kind) =>
      button(label, { icon, key, kind: mark === kind ? `verdict chosen ${kind}` : `verdict ${kind}`, "aria-pressed": mark === kind }, () => verdict(kind));
    if (editor.edited) {
      return fill(actions, button("Save the correction", { icon: "check", kind: "primary", key: "S", disabled: !editor.hasMask() }, save),
        button("Drop it", { icon: "cross", key: "Esc" }, () => editor.clear()),
        h("span.quiet", {}, "Saved masks are never overwritten by a search."));
    }
    return fill(actions,
      store.objects.length > 1 && h("strong.about", { style: { "--colour": css(colourOf(store.active)) } }, h("i"), store.active),
      state !== "absent" && state !== "unknown" && say("Right", "check", "R", "right"),
      say("Wrong", "cross", "W", "wrong"),
      say("Not here", "none", "N", "absent"),
      mark && button("Take back", { icon: "undo", key: "U", kind: "quiet-button" }, () => verdict("none")),
      h("span.grow"),
      store.unlearnt > 0 && button(`Learn from ${store.unlearnt} corrected`, { icon: "learn", key: "L", kind: "next", disabled: busy(), hint: "They become references; the rest is searched again in the background" }, improve));
  }

  async function verdict(kind) {
    const judged = photo;
    const { mark } = judge(store.photos.get(judged.id), store.active);
    try {
      await api.verdict(judged.id, store.active, kind === mark ? "none" : kind);
      if (kind === "wrong" && kind !== mark) toast("Put it right with the tools, or leave it: wrong masks are not taken away.");
      // Who went elsewhere meanwhile stays there.
      if (element.isConnected && photo === judged && ["right", "absent"].includes(kind) && kind !== mark) step(1);
    } catch (error) {
      toast(error.message, { kind: "bad" });
    }
  }

  async function save() {
    if (!editor.hasMask()) return;
    const mended = photo;
    try {
      await api.keepMask(mended.id, store.active, "corrected", await editor.drawing());
      if (photo !== mended) return;
      editor.clear();
      toast("Corrected. It becomes a reference when you ask for it.", store.unlearnt ? { kind: "good" } : { kind: "good", action: "Learn from it", onaction: improve });
      await masks();
    } catch (error) {
      toast(error.message, { kind: "bad" });
    }
  }

  async function improve() {
    try {
      store.changed = new Set();
      const { learnt } = await api.find(true);
      toast(`Learnt from ${learnt} corrected; the rest is being searched again.`, { kind: "good" });
    } catch (error) {
      toast(error.message, { kind: "bad" });
    }
  }

  function step(by) {
    const to = order[order.indexOf(photo.id) + by];
    if (to) go(`correct/${to}`);
  }

  const stops = [
    on("photo", (changed) => { if (changed.id === photo?.id) editor.edited ? about() : masks(); }),
    on("objects", () => photo && about()),
    on("active", () => photo && (editor.clear(), masks())),
    on("progress", foot),
  ];
  lookAtFound(store.photos.get(id));
  open(id);
  return {
    element,
    open,
    key(event) {
      const name = event.key.toLowerCase();
      const plain = !event.ctrlKey && !event.metaKey;
      const words = { r: "right", w: "wrong", n: "absent", u: "none" };
      if (event.key === "Escape" && !editor.edited) go("find");
      else if (plain && name === "s" && editor.edited) save();
      else if (plain && name in words && !editor.edited) verdict(words[name]);
      else if (plain && name in flips) (flips[name](), drawSwitches(), editor.viewport.redraw());
      else if (plain && name === "l" && store.unlearnt && !busy()) improve();
      else if (event.key === "ArrowLeft" || event.key === "ArrowRight") step(event.key === "ArrowLeft" ? -1 : 1);
      else return editor.key(event);
      return true;
    },
    destroy() {
      stops.forEach((stop) => stop());
      bar.destroy();
      editor.destroy();
    },
  };
}
