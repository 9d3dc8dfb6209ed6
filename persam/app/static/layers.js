// Masks as pixels: the model's answer, the brush over it, and both as a tinted picture.

import { colourOfNumber } from "./store.js";

export const ADD = 1;
export const ERASE = 2;

// Paint a map of numbers: colour(number) gives [r, g, b] or null for nothing.
export function tinted(bits, colour, { fill = 96, edge = 2 } = {}) {
  const { width, height, data } = bits;
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  const out = new Uint32Array(image.data.buffer);
  const table = new Map();
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const i = y * width + x;
      const value = data[i];
      if (!value) continue;
      if (!table.has(value)) table.set(value, packed(colour(value), fill));
      const pair = table.get(value);
      if (pair) out[i] = onEdge(data, width, height, x, y, edge) ? pair[1] : pair[0];
    }
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

function packed(rgb, fill) {
  if (!rgb) return null;
  const [r, g, b] = rgb;
  const low = (b << 16) | (g << 8) | r;
  return [((fill << 24) | low) >>> 0, ((0xff << 24) | low) >>> 0];
}

function onEdge(data, width, height, x, y, reach) {
  const value = data[y * width + x];
  for (let step = 1; step <= reach; step++) {
    if (x >= step && data[y * width + x - step] !== value) return true;
    if (x + step < width && data[y * width + x + step] !== value) return true;
    if (y >= step && data[(y - step) * width + x] !== value) return true;
    if (y + step < height && data[(y + step) * width + x] !== value) return true;
  }
  return false;
}

export const numbered = (shown) => (number) => (shown(number) ? colourOfNumber(number) : null);

export const only = (bits, number) => ({ ...bits, data: bits.data.map((value) => (value === number ? 1 : 0)) });

// The brush: where it added and where it erased, over whatever mask is below.
export class Paint {
  constructor({ width, height }, data = null) {
    Object.assign(this, { width, height, data: data || new Uint8Array(width * height), used: Boolean(data) });
  }

  copy() {
    const made = new Paint(this, this.data.slice());
    made.used = this.used;
    return made;
  }

  stroke(from, to, radius, value) {
    const steps = Math.max(1, Math.ceil(Math.hypot(to[0] - from[0], to[1] - from[1]) / Math.max(1, radius / 3)));
    for (let s = 0; s <= steps; s++) {
      this.dab(from[0] + ((to[0] - from[0]) * s) / steps, from[1] + ((to[1] - from[1]) * s) / steps, radius, value);
    }
    this.used = true;
  }

  dab(cx, cy, radius, value) {
    const top = Math.max(0, Math.floor(cy - radius));
    const bottom = Math.min(this.height - 1, Math.ceil(cy + radius));
    for (let y = top; y <= bottom; y++) {
      const reach = Math.sqrt(Math.max(0, radius * radius - (y - cy) ** 2));
      const left = Math.max(0, Math.ceil(cx - reach));
      const right = Math.min(this.width - 1, Math.floor(cx + reach));
      if (left <= right) this.data.fill(value, y * this.width + left, y * this.width + right + 1);
    }
  }

  over(mask) {
    const data = mask ? mask.data.slice() : new Uint8Array(this.width * this.height);
    if (this.used) {
      for (let i = 0; i < data.length; i++) {
        if (this.data[i] === ADD) data[i] = 1;
        else if (this.data[i] === ERASE) data[i] = 0;
      }
    }
    return { width: this.width, height: this.height, data };
  }

  async png() {
    if (!this.used) return null;
    const canvas = new OffscreenCanvas(this.width, this.height);
    const context = canvas.getContext("2d");
    const image = context.createImageData(this.width, this.height);
    for (let i = 0; i < this.data.length; i++) {
      image.data[4 * i] = this.data[i];
      image.data[4 * i + 3] = 255;
    }
    context.putImageData(image, 0, 0);
    const bytes = new Uint8Array(await (await canvas.convertToBlob({ type: "image/png" })).arrayBuffer());
    let text = "";
    for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192));
    return btoa(text);
  }
}

export const anything = (bits) => Boolean(bits) && bits.data.some((value) => value !== 0);

// Grey values as a heat map from clear to red over yellow.
export function heat(bits) {
  const canvas = document.createElement("canvas");
  canvas.width = bits.width;
  canvas.height = bits.height;
  const context = canvas.getContext("2d");
  const image = context.createImageData(bits.width, bits.height);
  for (let i = 0; i < bits.data.length; i++) {
    const share = bits.data[i] / 255;
    image.data[4 * i] = 255 * Math.min(1, 0.3 + share);
    image.data[4 * i + 1] = 220 * Math.max(0, 1 - Math.abs(share - 0.6) * 2.2);
    image.data[4 * i + 2] = 255 * Math.max(0, 0.55 - share);
    image.data[4 * i + 3] = 215 * share;
  }
  context.putImageData(image, 0, 0);
  return canvas;
}
