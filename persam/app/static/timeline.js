// A clip from its first frame to its last: a row an object, as high as its score where it is there,
// below it how doubtful that is, and a diamond where a person settled a frame.

import { h, screenUnit } from "./dom.js";
import { colourOf, css, store } from "./store.js";

const ROW = 30;
const DOUBT = 4; // height of the stripe that shows it
const REASONS = {
  unlike: "unlike the object", disagrees: "other pixels fit better", drifted: "has drifted off", grown: "much larger than before",
  shrunk: "much smaller than before", cut: "after a cut",
};

// What tracking says of an object in a frame, in words.
function frameWords(found) {
  if (!found.present) return found.event ? `not here (${found.event})` : "not here";
  const why = found.event === "marked" ? "by hand" : found.doubt ? `doubt ${Math.round(100 * found.doubt)} %` : "no doubt";
  return [`score ${found.score.toFixed(2)}`, why, found.event === "marked" ? "" : found.event, REASONS[found.reason]].filter(Boolean).join(", ");
}

export class Timeline {
  constructor(onseek) {
    this.canvas = h("canvas", { tabIndex: 0, role: "slider", "aria-label": "Frame", "aria-valuemin": 1 });
    this.element = h("div.timeline", {}, this.canvas);
    this.said = h("span.said");
    this.legend = h("p.quiet.legend", {}, this.said, h("span.grow"), h("span", {}, "height: score"), h("span", {}, h("i.doubt"), "doubtful"), h("span", {}, "\u25c6 settled by you"));
    this.clip = null;
    this.frame = 0;
    const at = (event) => {
      const box = this.canvas.getBoundingClientRect();
      const share = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
      if (this.clip?.frames) onseek(Math.min(this.clip.frames - 1, Math.floor(share * this.clip.frames)));
    };
    this.canvas.addEventListener("pointerdown", (event) => { this.canvas.setPointerCapture(event.pointerId); this.held = true; at(event); });
    this.canvas.addEventListener("pointermove", (event) => (this.held ? at(event) : this.tell(event)));
    for (const kind of ["pointerup", "pointercancel"]) this.canvas.addEventListener(kind, () => { this.held = false; });
    this.watch = new ResizeObserver(() => this.paint());
    this.watch.observe(this.element);
  }

  // What tracking says of an object in the frame that is looked at.
  say(name) {
    const found = this.clip?.lines.find((line) => line.index === this.frame)?.objects[name];
    this.said.textContent = found ? `${name}: ${frameWords(found)}` : "";
    this.said.classList.toggle("warn", Boolean(found?.review));
  }

  // What is under the pointer, as a title.
  tell(event) {
    const { clip } = this;
    const box = this.canvas.getBoundingClientRect();
    const line = clip?.lines.find((one) => one.index === Math.floor(((event.clientX - box.left) / box.width) * clip.frames));
    this.canvas.title = line ? [`Frame ${line.index + 1}`, ...Object.entries(line.objects).map(([name, found]) => `${name}: ${frameWords(found)}`)].join("\n") : "";
  }

  destroy() {
    this.watch.disconnect();
  }

  show(clip) {
    this.clip = clip;
    this.element.style.height = `${(Math.max(1, store.objects.length) * ROW + 14) / 15}rem`;
    this.paint();
  }

  move(frame) {
    this.frame = frame;
    this.canvas.setAttribute("aria-valuenow", frame + 1);
    this.canvas.setAttribute("aria-valuemax", this.clip?.frames || 1);
    this.paint();
  }

  paint() {
    const { canvas, clip } = this;
    const ratio = window.devicePixelRatio || 1;
    const unit = screenUnit();
    const [width, height] = [this.element.clientWidth / unit, this.element.clientHeight / unit];
    canvas.width = Math.round(this.element.clientWidth * ratio);
    canvas.height = Math.round(this.element.clientHeight * ratio);
    const context = canvas.getContext("2d");
    context.scale(ratio * unit, ratio * unit);
    if (!clip?.frames) return;
    const style = getComputedStyle(this.element);
    const wide = width / clip.frames;
    store.objects.forEach((one, row) => this.row(context, one, row * ROW + 5, wide, style));
    context.fillStyle = style.color;
    context.fillRect(this.frame * wide + wide / 2 - 1, 0, 2, height);
    context.beginPath();
    context.arc(this.frame * wide + wide / 2, height - 5, 5, 0, 2 * Math.PI);
    context.fill();
  }

  row(context, one, top, wide, style) {
    const { clip } = this;
    const colour = css(colourOf(one.name));
    const warn = style.getPropertyValue("--warn");
    const ground = top + ROW - 8 - DOUBT;
    context.fillStyle = style.borderColor;
    context.fillRect(0, ground, wide * clip.frames, 1);
    for (const line of clip.lines) {
      const found = line.objects[one.name];
      if (!found) continue;
      const tall = found.present ? 4 + (ROW - 12 - DOUBT) * Math.min(1, Math.max(0, found.score)) : 1.5;
      const [left, across] = [line.index * wide, Math.max(1, wide - (wide > 4 ? 1 : 0))];
      context.fillStyle = colour;
      context.globalAlpha = found.present ? 0.85 : 0.5;
      context.fillRect(left, ground - tall, across, tall);
      context.fillStyle = warn;
      context.globalAlpha = found.review ? 1 : 0.6 * found.doubt;
      context.fillRect(left, ground + 1, across, DOUBT);
    }
    context.globalAlpha = 1;
    for (const mark of clip.marks.filter((each) => each.object === one.name)) {
      diamond(context, mark.frame * wide + wide / 2, ground, style);
    }
  }
}

function diamond(context, x, y, style) {
  context.beginPath();
  for (const [dx, dy] of [[0, -7], [6, 0], [0, 7], [-6, 0]]) context.lineTo(x + dx, y + dy);
  context.closePath();
  context.fillStyle = style.color;
  context.fill();
  context.strokeStyle = style.backgroundColor;
  context.lineWidth = 1.5;
  context.stroke();
}
