// Photos that are dropped on the page or picked by hand.

import { api } from "./api.js";
import { button, h, toast } from "./dom.js";

export async function addFiles(files) {
  let taken = 0;
  for (const file of files) {
    try {
      await api.upload(file);
      taken += 1;
    } catch (error) {
      toast(`${file.name}: ${error.message}`, { kind: "bad" });
    }
  }
  if (taken) toast(`${taken} ${taken === 1 ? "photo" : "photos"} added.`, { kind: "good" });
}

export function adder(kind = "small") {
  const field = h("input", { type: "file", multiple: true, accept: "image/*", hidden: true, onchange: () => addFiles([...field.files]) });
  return h("span", {}, field, button("Add photos", { icon: "plus", kind, hint: "Pick photos, or drop them on the page" }, () => field.click()));
}
