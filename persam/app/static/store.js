// What the page knows, and who wants to hear of changes.

const COLOURS = [
  [255, 64, 129], [0, 163, 255], [255, 171, 0], [0, 200, 83], [170, 80, 255], [255, 109, 0], [0, 191, 165], [200, 220, 0],
];

export const store = {
  ready: false,
  photos: new Map(),
  objects: [],
  clips: [],
  active: null, // name of the object that clicks are about
  threshold: 0.25,
  doubtWeights: { presence: 0, score: 0 },
  labelFormats: {}, // name -> title
  sort: "likelihood",
  filter: "all",
  changed: new Set(), // photos whose answer the last search changed
  progress: { status: "idle", total: 0, done: 0 },
  model: { status: "loading", name: "" },
  unlearnt: 0,
  connected: true,
};

const listeners = new Map();

export function on(kinds, handler) {
  for (const kind of kinds.split(" ")) {
    if (!listeners.has(kind)) listeners.set(kind, new Set());
    listeners.get(kind).add(handler);
  }
  return () => kinds.split(" ").forEach((kind) => listeners.get(kind).delete(handler));
}

export function emit(kind, data) {
  for (const handler of [...(listeners.get(kind) || [])]) handler(data);
}

export function takeSession(session) {
  Object.assign(store, {
    ready: true,
    photos: new Map(session.photos.map((photo) => [photo.id, photo])),
    clips: session.clips,
    model: session.model,
    folder: session.folder,
    run: session.run,
    version: session.version,
    progress: { ...session.progress, at: performance.now() },
    doubtWeights: session.doubtWeights,
    labelFormats: session.labelFormats,
    threshold: session.minPresence ?? session.defaultPresence,
  });
  takeObjects(session);
  emit("session");
}

export function takeObjects({ objects, unlearnt }) {
  store.objects = objects;
  store.unlearnt = unlearnt;
  if (!objects.some((one) => one.name === store.active)) store.active = objects[0]?.name ?? null;
  emit("objects");
}

export function takePhoto(photo) {
  store.photos.set(photo.id, photo);
  emit("photo", photo);
}

export const colourOf = (name) => {
  const number = store.objects.findIndex((one) => one.name === name);
  return COLOURS[Math.max(0, number) % COLOURS.length];
};
export const colourOfNumber = (number) => COLOURS[(number - 1) % COLOURS.length];
export const css = ([r, g, b]) => `rgb(${r} ${g} ${b})`;
export const learnable = () => store.objects.some((one) => one.learnable);
export const busy = () => ["running", "stopping"].includes(store.progress.status);
