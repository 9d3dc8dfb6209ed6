// Video: any frame can be clicked in; what was tracked lies along the timeline.

import { api } from "./api.js";
import { button, fill, h, toast } from "./dom.js";
import { Editor } from "./editor.js";
import { numbered, only, tinted } from "./layers.js";
import { activeObject, objectBar } from "./objects.js";
import { busy, learnable, on, store } from "./store.js";
import { Timeline } from "./timeline.js";

export function videoView(id, go) {
  const bar = objectBar();
  const editor = new Editor(() => foot());
  const timeline = new Timeline((frame) => seek(frame));
  const head = h("div.headline");
  const actions = h("div.actions");
  const stage = h("section.stage", {}, h("div.row", {}, bar.element, h("span.grow"), head), editor.element, timeline.element, timeline.legend, actions);
  const element = h("div.video", {}, stage);
  let clip = null;
  let frame = 0;
  let playing = null;
  let seeking = null;
  let waiting = null;
  let asked = 0;

  async function open(wanted) {
    stop();
    const chosen = store.clips.find((one) => one.id === wanted) || store.clips[0];
    if (!chosen) return fill(element, h("p.fatal", {}, "No clips in the folder. Put a video file (mp4, mov, mkv, webm, avi) there, and reload."));
    if (clip?.id !== chosen.id) {
      clip = { ...chosen, ready: false, frames: 0, lines: [], marks: [] };
      frame = 0;
    }
    drawHead();
    return refresh(api.openClip);
  }

  const readingIt = () => store.progress.job === `Reading ${clip.name}`;

  // Ask for the clip as it is now. News of it may come before an answer that was on its way, or
  // not at all while the server is away: only the last question's answer counts, and until the
  // frames are there it is asked again. Reading begins anew unless it was stopped or has failed.
  async function refresh(ask = busy() || readingIt() ? api.clip : api.openClip) {
    const mine = ++asked;
    clearTimeout(waiting);
    let told = null;
    try {
      told = await ask(clip.id);
    } catch (error) {
      if (error.status) toast(error.message, { kind: "bad", seconds: 20 });
    }
    if (mine !== asked) return;
    const ready = clip.ready;
    clip = told || clip;
    timeline.show(clip);
    if (!clip.ready) waiting = setTimeout(refresh, 1000);
    else if (!ready) await seek(Math.min(frame, clip.frames - 1));
    else if (!editor.edited && !playing) await masks(frame);
    foot();
  }

  const picture = (number) => ({ id: `${clip.id}-${number}`, date: 0, version: `${Date.now()}` });

  // The frame itself at once, and after a moment of rest all that clicking in it needs.
  async function seek(number) {
    frame = Math.max(0, Math.min(clip.frames - 1, number));
    timeline.move(frame);
    clearTimeout(seeking);
    if (editor.edited) editor.clear();
    await editor.peek(picture(frame));
    overlay();
    if (!playing) seeking = setTimeout(rest, 180);
    foot();
  }

  async function rest() {
    const at = frame;
    try {
      if (!(await editor.open(picture(at), null, true)) || at !== frame) return;
      await masks(at);
      if (at === frame && editor.asks && editor.start) editor.ask(); // it was asked without that mask
    } catch (error) {
      toast(error.message, { kind: "bad" });
    }
  }

  async function masks(at) {
    const bits = await api.labels(picture(at), 1024).catch(() => null);
    if (at !== frame) return;
    const number = store.objects.findIndex((one) => one.name === store.active) + 1;
    const mine = bits && number ? only(bits, number) : null;
    editor.start = mine && mine.data.some(Boolean) ? { bits: mine, object: store.active } : null;
    editor.overlays.others = bits && tinted(bits, numbered((n) => n !== number), { fill: 70 });
    editor.refresh();
  }

  // While the clip plays, masks follow without the tools.
  async function overlay() {
    const at = frame;
    editor.start = null;
    editor.overlays.others = null;
    editor.tint = null;
    if (!clip.lines.some((line) => line.index === at) && !clip.marks.some((mark) => mark.frame === at)) return;
    const bits = await api.labels(picture(at), 1024).catch(() => null);
    if (at !== frame || editor.start) return;
    editor.overlays.others = bits && tinted(bits, numbered(() => true), { fill: 80 });
    editor.viewport.redraw();
  }

  function play() {
    if (playing) return stop();
    if (frame >= clip.frames - 1) frame = -1;
    playing = { since: performance.now(), from: Math.max(0, frame) };
    const next = async () => {
      if (!playing) return;
      const at = playing.from + Math.floor(((performance.now() - playing.since) / 1000) * (clip.rate || 25));
      if (at >= clip.frames) return stop();
      if (at !== frame) await seek(at);
      requestAnimationFrame(next);
    };
    next();
    return foot();
  }

  function stop() {
    const was = playing;
    playing = null;
    if (was && clip?.ready) seek(frame);
  }

  async function keep(kind) {
    const name = await activeObject();
    if (!name) return;
    try {
      const settled = learnable() && clip.lines.length ? "corrected" : "shown";
      await api.keepMask(`${clip.id}-${frame}`, name, kind === "other" ? "other" : settled, await editor.drawing());
      editor.clear();
      toast(`Frame ${frame + 1} is settled for ${name}.`, { kind: "good", action: clip.lines.length ? "Track again" : "Track it", onaction: () => track([]) });
      await masks(frame);
    } catch (error) {
      toast(error.message, { kind: "bad" });
    }
  }

  async function track(products) {
    try {
      if (!products.length) clip.lines = [];
      await api.track(clip.id, products);
    } catch (error) {
      toast(error.message, { kind: "bad" });
      refresh();
    }
  }

  function drawHead() {
    const chosen = h("select", { "aria-label": "Clip", onchange: () => go(`video/${chosen.value}`) },
      store.clips.map((one) => h("option", { value: one.id, selected: one.id === clip?.id }, one.name)));
    fill(head, chosen);
  }

  function unread(progress) {
    if (busy()) return h("span.quiet", {}, readingIt() ? `Reading the clip: ${progress.done}${progress.total ? ` of ${progress.total}` : ""} frames` : `Waiting: ${progress.job} first`);
    if (!readingIt()) return h("span.quiet", {}, "Opening the clip");
    return [h("span.error", {}, progress.error || "The clip is not read yet."), button("Read it again", { icon: "video" }, () => refresh(api.openClip))];
  }

  function nextDoubtful() {
    const doubtful = clip.lines.filter((line) => line.objects[store.active]?.review).map((line) => line.index);
    if (doubtful.length) seek(doubtful.find((index) => index > frame) ?? doubtful[0]);
  }

  function foot() {
    if (!clip) return;
    timeline.say(store.active);
    const { progress } = store;
    if (!clip.ready) return fill(actions, unread(progress));
    const mark = clip.marks.find((one) => one.frame === frame && one.object === store.active);
    const seconds = clip.rate ? ` · ${(frame / clip.rate).toFixed(2)} s` : "";
    fill(actions,
      button(playing ? "Stop" : "Play", { icon: playing ? "stop" : "play", key: "Space" }, play),
      h("span.place", {}, `${frame + 1} / ${clip.frames}${seconds}`),
      editor.edited && button("Settle this frame", { kind: "primary", key: "Enter", disabled: !editor.hasMask() }, () => keep("shown")),
      editor.edited && button("Drop it", { icon: "cross", key: "Esc" }, () => editor.clear()),
      mark && !editor.edited && button("Take this frame back", { icon: "trash" }, () => api.verdict(`${clip.id}-${frame}`, store.active, "none")),
      h("span.grow"),
      clip.lines.some((line) => line.objects[store.active]?.review) && !editor.edited && button("Next doubtful", { icon: "right", key: "D" }, nextDoubtful),
      busy() ? [h("span.quiet", {}, `${progress.job} ${progress.done} of ${progress.total}`), button("Stop it", { icon: "stop" }, () => api.cancel())]
        : [learnable() && button(clip.lines.length >= clip.frames ? "Track again" : clip.lines.length ? "Track on" : "Track", { icon: "find", kind: "next", key: "T" }, () => track([])),
          clip.lines.length >= clip.frames && button("Overlay video", { icon: "take", hint: "Write overlay.mp4" }, () => track(["overlay"])),
          clip.lines.length >= clip.frames && button("Alpha video", { icon: "take", hint: "Write ProRes 4444 with transparency" }, () => track(["alpha"]))]);
  }

  const stops = [
    on("frame", (data) => {
      if (data.clip !== clip?.id) return;
      clip.lines = [...clip.lines.filter((line) => line.index < data.line.index), data.line];
      timeline.show(clip);
    }),
    on("clip", (data) => data.id === clip?.id && refresh()),
    on("tracked", (data) => {
      if (data.clip !== clip?.id) return;
      toast(`Tracked. All of it is in ${data.folder}`, { kind: "good" });
      refresh();
    }),
    on("objects", foot),
    on("session", () => clip && refresh()),
    on("progress", foot),
    on("active", () => clip?.ready && (editor.clear(), masks(frame), timeline.show(clip), foot())),
  ];
  open(id);
  return {
    element,
    open,
    key(event) {
      if (!clip?.ready) return false;
      const jump = event.shiftKey ? 10 : 1;
      if (event.key === " ") play();
      else if (event.key === "ArrowLeft") seek(frame - jump);
      else if (event.key === "ArrowRight") seek(frame + jump);
      else if (event.key === "Home") seek(0);
      else if (event.key === "End") seek(clip.frames - 1);
      else if (event.key === "Enter" && editor.edited && editor.hasMask()) keep("shown");
      else if (event.key.toLowerCase() === "d") nextDoubtful();
      else if (event.key.toLowerCase() === "t" && !busy() && learnable()) track([]);
      else return editor.key(event);
      return true;
    },
    destroy() {
      playing = null;
      asked += 1;
      clearTimeout(seeking);
      clearTimeout(waiting);
      stops.forEach((stop_) => stop_());
      bar.destroy();
      editor.destroy();
      timeline.destroy();
    },
  };
}
