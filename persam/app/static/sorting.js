// How likely, how doubtful: everything that the slider, the filters and the order are made of.
// Nothing here asks the server: the presence of every photo is known after one search.

import { store } from "./store.js";

const logit = (p) => Math.log(Math.min(0.9999, Math.max(0.0001, p)) / (1 - Math.min(0.9999, Math.max(0.0001, p))));
const CLOSE = 1; // log-odds from the threshold within which an answer is doubtful
const WEAK = 0.6; // score below which a mask is doubtful
const HAND = new Set(["shown", "corrected", "right"]);

// What holds for one object in one photo: { state: present|absent|wrong|unknown, doubt: 0..1, hand }.
export function judge(photo, name) {
  const mark = photo.marks[name]?.kind;
  if (HAND.has(mark)) return { state: "present", doubt: 0, hand: true, presence: 1, mark };
  if (mark === "absent") return { state: "absent", doubt: 0, hand: true, presence: 0, mark };
  const found = photo.found[name];
  if (!found) return { state: "unknown", doubt: 0, presence: -1, mark };
  // A mask that somebody changed among the results, outside of this page.
  if (photo.byHand && mark !== "wrong") return { state: found.box ? "present" : "absent", doubt: 0, hand: true, presence: found.box ? 1 : 0, mark: found.box ? "corrected" : "absent" };
  const presence = found.presence ?? (found.box ? 1 : 0);
  const there = Boolean(found.box) && presence >= store.threshold;
  if (mark === "wrong") return { state: "wrong", doubt: 1, presence, mark };
  const far = found.presence === null ? CLOSE : Math.abs(logit(presence) - logit(store.threshold));
  const doubt = expectedError(found, presence, there);
  const doubtful = far < CLOSE && found.presence !== null ? true : there && found.score < WEAK;
  return { state: there ? "present" : "absent", doubt, doubtful, presence, score: found.score, mark };
}

// As persam.album.doubt weighs its signs, those that need no second look at the photo.
function expectedError(found, presence, there) {
  const { threshold, doubtWeights } = store;
  const room = presence >= threshold ? 1 - threshold : threshold;
  const near = found.presence === null || !room ? 0 : Math.max(0, 1 - Math.abs(presence - threshold) / room);
  const unsure = there ? 1 - Math.min(1, Math.max(0, found.score)) : 0;
  return doubtWeights.presence * near + doubtWeights.score * unsure;
}

export function judgeAll(photo) {
  return store.objects.map((one) => ({ name: one.name, ...judge(photo, one.name) }));
}

export const isPresent = (photo) => judgeAll(photo).some((one) => one.state === "present");

export const FILTERS = [
  ["all", "All", () => true],
  ["present", "Found", isPresent],
  ["doubtful", "Doubtful", (photo) => judgeAll(photo).some((one) => one.doubtful || one.state === "wrong")],
  ["absent", "Not here", (photo) => photo.done && !photo.error && !isPresent(photo)],
  ["corrected", "By hand", (photo) => photo.byHand || Object.values(photo.marks).some((mark) => mark.kind !== "wrong")],
  ["changed", "Changed", (photo) => store.changed.has(photo.id)],
  ["failed", "Failed", (photo) => Boolean(photo.error)],
];

const best = (photo) => Math.max(-2, ...judgeAll(photo).map((one) => one.presence + 0.001 * (one.score || 0)));
const most = (photo) => Math.max(-1, ...judgeAll(photo).map((one) => (one.state === "unknown" ? -1 : one.doubt)));
const natural = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });
const byName = (a, b) => natural.compare(a.name, b.name);

export const SORTS = {
  likelihood: ["Likeliest first", (a, b) => best(b) - best(a) || byName(a, b)],
  doubt: ["Most doubtful first", (a, b) => most(b) - most(a) || byName(a, b)],
  name: ["By name", byName],
  date: ["Newest first", (a, b) => b.date - a.date || byName(a, b)],
};

export function shownPhotos() {
  const keep = FILTERS.find(([key]) => key === store.filter)[2];
  return [...store.photos.values()].filter(keep).sort(SORTS[store.sort][1]);
}

export function counts() {
  const photos = [...store.photos.values()];
  return Object.fromEntries(FILTERS.map(([key, , keep]) => [key, photos.filter(keep).length]));
}
