// Says to those who hear the page what became of a GPU: gathered, so that it never talks all the time.
import { byId } from "./draw.js";
import { TEXTS } from "./texts.js";

const PAUSE = 10_000; // milliseconds between two announcements

let told = new Map(); // by GPU: the word that was said, or that it had at first
let saidAt = -Infinity;

const words = ({ gpus }) => new Map(gpus.map((gpu) =>
  [gpu.id, (TEXTS.states[gpu.state] ?? TEXTS.verdicts[gpu.health.verdict ?? "unknown"]).replace(/^\S /, "")]));

export function render({ event, phase, now }) {
  if (phase !== "live") { // that it is lost is a status of its own
    byId("said").textContent = "";
    return;
  }
  const present = words(event);
  const isFirst = !told.size;
  const gone = [...told.keys()].filter((id) => !present.has(id)).map((id) => [id, TEXTS.gone]);
  const changed = [...[...present].filter(([id, word]) => told.get(id) !== word), ...gone];
  if (isFirst) told = present;
  if (isFirst || !changed.length || now - saidAt < PAUSE) return;
  told = present;
  saidAt = now;
  byId("said").textContent = changed.map(([id, word]) => TEXTS.becomes(id, word)).join(". ");
}
