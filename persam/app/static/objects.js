// The objects as chips: which one clicks are about, a new one, one less.

import { api } from "./api.js";
import { button, fill, h, toast } from "./dom.js";
import { colourOf, css, emit, on, store } from "./store.js";

export function objectBar({ adding = true } = {}) {
  const element = h("div.objects", { role: "group", "aria-label": "Objects" });
  const draw = () => fill(element, store.objects.map(chip), adding && (store.objects.length ? adder() : nameForm()));
  const stop = on("objects session active", draw);
  draw();
  return { element, destroy: stop };
}

function chip(one) {
  const chosen = one.name === store.active;
  return h("span.chip", { class: chosen ? "chosen" : "", style: { "--colour": css(colourOf(one.name)) } },
    h("button", { type: "button", "aria-pressed": chosen, onclick: () => activate(one.name), title: `Clicks are about ${one.name}` },
      h("i"), h("span", {}, one.name)),
    chosen && store.objects.length > 1 && button(`Remove ${one.name}`, { icon: "cross", kind: "bare small" }, () => remove(one)));
}

export function activate(name) {
  store.active = name;
  emit("active");
}

async function remove(one) {
  if (!window.confirm(`Look for ${one.name} no more? Its masks stay in the folder.`)) return;
  try {
    await api.removeObject(one.name);
  } catch (error) {
    toast(error.message, { kind: "bad" });
  }
}

function adder() {
  const plus = button("Another object", { icon: "plus", kind: "small add", hint: "One more object to look for" }, () => {
    const form = nameForm(() => form.replaceWith(plus));
    plus.replaceWith(form);
    form.querySelector("input").focus();
  });
  return plus;
}

function nameForm(close = () => undefined) {
  const field = h("input", { type: "text", maxLength: 40, placeholder: "What is it? e.g. my dog", "aria-label": "Name of the object" });
  field.addEventListener("keydown", (event) => event.key === "Escape" && close());
  return h("form.naming", { onsubmit: async (event) => {
    event.preventDefault();
    if (await newObject(field.value.trim() || "object")) close();
  } }, field, button("Name it", { kind: "small", type: "submit" }));
}

export async function newObject(name) {
  try {
    const made = await api.addObject(name);
    if (!store.objects.some((one) => one.name === made.name)) store.objects = [...store.objects, made];
    store.active = made.name;
    emit("objects");
    return true;
  } catch (error) {
    toast(error.message, { kind: "bad" });
    return false;
  }
}

// The object that clicks are about; a first one that nobody has named is called "object".
export async function activeObject() {
  const typed = document.querySelector(".naming input")?.value.trim();
  if (!store.active) await newObject(typed || "object");
  return store.active;
}
