// All keys in one place, by "?" or the button.

import { button, h } from "./dom.js";

const KEYS = [
  ["Tools", [["1 … 5", "on it, not it, box, paint, erase"], ["right click, Alt", "not it"], ["drag", "a box"], ["[  ]", "a smaller part, the larger whole"],
    ["Ctrl Z, Ctrl Y", "undo, redo"], ["wheel, + −, 0", "nearer, farther, the whole photo"], ["arrows, Enter", "move a crosshair in the photo, click with it"]]],
  ["Show", [["Enter", "use as reference"], ["X", "not this one"]]],
  ["Correct", [["R  W  N", "right, wrong, not here"], ["S", "save the correction"], ["U", "take back"], ["← →", "the photo before, the next"], ["B  P  C", "mask, points, confidence map"], ["L", "learn from what was corrected"]]],
  ["Video", [["space", "play, stop"], ["← →", "a frame, with Shift ten"], ["Enter", "settle the frame"], ["T", "track"], ["D", "the next doubtful frame"]]],
];

export function showKeys() {
  document.querySelector("dialog.keys")?.remove();
  const dialog = h("dialog.keys", { "aria-label": "Keys" },
    h("div.row", {}, h("h1", {}, "Keys"), h("span.grow"), button("Close", { icon: "cross", kind: "bare" }, () => dialog.close())),
    h("div.columns", {}, KEYS.map(([title, rows]) => h("section", {}, h("h2", {}, title),
      h("dl", {}, rows.map(([key, does]) => [h("dt", {}, h("kbd", {}, key)), h("dd", {}, does)]))))));
  dialog.addEventListener("close", () => dialog.remove());
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  document.body.append(dialog);
  dialog.showModal();
}
