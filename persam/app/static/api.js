// Every request of the page. All go to the page's own server; errors carry the server's own words.

async function ask(path, options = {}) {
  let answer;
  try {
    answer = await fetch(path, { credentials: "same-origin", ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("The server does not answer. Start `persam app` again; nothing is lost.");
  }
  if (answer.ok) return answer;
  let told = `${answer.status} ${answer.statusText}`;
  const text = await answer.text();
  try {
    told = JSON.parse(text).error;
  } catch {
    if (text) told = text;
  }
  throw Object.assign(new Error(told), { status: answer.status });
}

const json = async (path, options) => (await ask(path, options)).json();

function post(path, body, options = {}) {
  const headers = { "content-type": "application/json" };
  return ask(path, { method: "POST", headers, body: body === undefined ? null : JSON.stringify(body), ...options });
}

const at = (id, what) => `/api/photos/${id}/${what}`;

export const api = {
  session: () => json("/api/session"),
  commands: () => json("/api/commands"),
  addObject: async (name) => (await post("/api/objects", { name })).json(),
  removeObject: (name) => ask(`/api/objects/${encodeURIComponent(name)}`, { method: "DELETE" }),
  slider: (value) => post("/api/slider", { min_presence: value }),
  find: async (improve) => (await post("/api/find", { improve })).json(),
  cancel: () => post("/api/cancel"),
  takeAway: async (body) => (await post("/api/export", body)).json(),
  exports: async () => (await json("/api/exports")).names,
  zip: (name) => `/api/exports/${encodeURIComponent(name)}`,
  upload: async (file) =>
    (await ask(`/api/uploads?name=${encodeURIComponent(file.name)}`, { method: "POST", body: file })).json(),
  open: async (id, signal) => (await post(at(id, "open"), undefined, { signal })).json(),
  outline: async (id, drawing, closely, signal) => {
    const answer = await post(at(id, "outline"), { drawing, closely }, { signal });
    const { headers } = answer;
    return {
      mask: await bits(await answer.blob()),
      score: Number(headers.get("x-score") || NaN),
      closer: headers.get("x-closer") === "1",
    };
  },
  keepMask: (id, object, kind, drawing) => post(at(id, "mask"), { object, kind, drawing }),
  verdict: (id, object, kind) => post(at(id, "verdict"), { object, kind }),
  labels: async (photo, side) => {
    const answer = await ask(`${at(photo.id, "labels")}?side=${side}&v=${photo.version}`);
    return answer.status === 204 ? null : bits(await answer.blob());
  },
  clip: (id) => json(`/api/clips/${id}`),
  openClip: async (id) => (await post(`/api/clips/${id}/open`)).json(),
  track: (id, products) => post(`/api/clips/${id}/track`, { products }),
  confidence: async (id, object, side) =>
    bits(await (await ask(`${at(id, "confidence")}?side=${side}&object=${encodeURIComponent(object)}`)).blob()),
  picture: (photo, side) => `${at(photo.id, "picture")}?side=${side}&v=${photo.date}`,
};

// The grey values of a PNG: { width, height, data: Uint8Array }.
async function bits(blob) {
  const bitmap = await createImageBitmap(blob, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
  const { width, height } = bitmap;
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  const rgba = context.getImageData(0, 0, width, height).data;
  const data = new Uint8Array(width * height);
  for (let i = 0; i < data.length; i++) data[i] = rgba[4 * i];
  return { width, height, data };
}

// What happens on the server; connects again by itself and then says "hello", so that the page
// asks for everything that it has missed.
export function listen(handlers) {
  const source = new EventSource("/api/events");
  for (const [kind, handler] of Object.entries(handlers)) {
    if (kind !== "lost") source.addEventListener(kind, (event) => handler(JSON.parse(event.data)));
  }
  source.onerror = () => {
    handlers.lost();
    // A server that was ended closes for good; ask for it anew until it is back.
    if (source.readyState === EventSource.CLOSED) setTimeout(() => listen(handlers), 3000);
  };
}
