// Elements without markup: text is always text, so that no name of a file or object is ever code.

const SVG = "http://www.w3.org/2000/svg";

export function h(tag, props = {}, ...children) {
  const [name, ...classes] = tag.split(".");
  const element = document.createElement(name || "div");
  if (classes.length) element.className = classes.join(" ");
  for (const [key, value] of Object.entries(props)) set(element, key, value);
  add(element, children);
  return element;
}

function set(element, key, value) {
  if (value === null || value === undefined) return;
  if (key.startsWith("aria-")) return element.setAttribute(key, String(value));
  if (value === false) return;
  if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
  else if (key === "class") element.classList.add(...value.split(" ").filter(Boolean));
  else if (key === "style") for (const [k, v] of Object.entries(value)) element.style.setProperty(k, v);
  else if (key in element) element[key] = value;
  else element.setAttribute(key, value === true ? "" : String(value));
}

export function add(element, children) {
  for (const child of children.flat(3)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child);
  }
}

export function fill(element, ...children) {
  element.replaceChildren();
  add(element, children);
  return element;
}

// How large a pixel of the drawings is: 1, and more where large screens have larger letters.
export const screenUnit = () => parseFloat(getComputedStyle(document.documentElement).fontSize) / 15;

const PATHS = {
  show: "M5 3l14 8-6 1.6L10 19z",
  find: "M10.5 4a6.5 6.5 0 1 1 0 13 6.5 6.5 0 0 1 0-13zM15.5 15.5L21 21",
  correct: "M4 20l1-5L16 4l4 4L9 19zM13.5 6.5l4 4",
  take: "M12 3v12m-5-5l5 5 5-5M4 20h16",
  video: "M3 6h12v12H3zM15 10.5L21 7v10l-6-3.5z",
  plus: "M12 5v14M5 12h14",
  minus: "M5 12h14",
  box: "M4 8V4h4M16 4h4v4M20 16v4h-4M8 20H4v-4",
  brush: "M20 4L10.5 13.5M10.5 13.5c-3-.5-4 1.500-4.500 3.500-.4 1.600-1.500 2.500-3 3 4 1.500 9 .5 9.500-3.500z",
  eraser: "M9 20h11M4.500 14.500L14 5l5.500 5.500L11 19H8z",
  undo: "M8 5L4 9l4 4M4 9h9a6 6 0 0 1 0 12h-2",
  redo: "M16 5l4 4-4 4M20 9h-9a6 6 0 0 0 0 12h2",
  fit: "M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5",
  left: "M15 5l-7 7 7 7",
  right: "M9 5l7 7-7 7",
  check: "M4 12.500l5.500 5.500L20 7",
  cross: "M6 6l12 12M18 6L6 18",
  none: "M12 3a9 9 0 1 1 0 18 9 9 0 0 1 0-18zM5.700 5.700l12.600 12.600",
  heat: "M12 3c1 4 5 5.500 5 10a5 5 0 0 1-10 0c0-2 1-3 2-4 .5 1.500 1.500 2 2 2 0-3-.5-5 1-8z",
  points: "M6 5a2 2 0 1 0 .01 0M17 8a2 2 0 1 0 .01 0M10 16a2 2 0 1 0 .01 0",
  eye: "M2.500 12S6 5.500 12 5.500 21.500 12 21.500 12 18 18.500 12 18.500 2.500 12 2.500 12zM12 9a3 3 0 1 1 0 6 3 3 0 0 1 0-6z",
  play: "M7 4l13 8-13 8z",
  stop: "M6 6h12v12H6z",
  copy: "M9 9h11v11H9zM5 15H4V4h11v1",
  theme: "M12 3a9 9 0 1 0 0 18zM12 3a9 9 0 0 1 0 18",
  trash: "M4 7h16M9 7V4h6v3M6 7l1 13h10l1-13",
  smaller: "M8 12a4 4 0 1 0 8 0 4 4 0 1 0-8 0",
  larger: "M3 12a9 9 0 1 0 18 0 9 9 0 1 0-18 0",
  keys: "M3 7h18v10H3zM7 11h.01M11 11h.01M15 11h.01M8 14h8",
  learn: "M3 9l9-4 9 4-9 4zM7 11v5c3 2.500 7 2.500 10 0v-5",
  swap: "M4 8h14l-4-4M20 16H6l4 4",
};

export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  svg.classList.add("icon");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", PATHS[name]);
  svg.append(path);
  return svg;
}

export function button(label, { icon: name, key, hint, kind = "", ...props } = {}, onclick) {
  const told = `${hint || label}${key ? `  [${key}]` : ""}`;
  const bare = kind.split(" ").includes("bare");
  return h(
    "button",
    { type: "button", class: kind, title: told, "aria-label": label, onclick, ...props }, // narrow pages hide the words
    name && icon(name),
    !bare && h("span", {}, label),
    !bare && key && h("kbd", { "aria-hidden": "true" }, key),
  );
}

export function toast(text, { kind = "", action, onaction, seconds = 6 } = {}) {
  const close = () => note.remove();
  const note = h("div.toast", { class: kind }, h("span", {}, text));
  if (action) note.append(h("button.link", { type: "button", onclick: () => (close(), onaction()) }, action));
  note.append(button("Close", { icon: "cross", kind: "bare small" }, close));
  const place = document.getElementById("toasts");
  while (place.children.length > 2) place.firstChild.remove();
  place.append(note);
  setTimeout(close, (kind === "bad" ? 2 : 1) * seconds * 1000);
}
