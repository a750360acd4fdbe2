// Announces changes of GPUs and hosts to screen readers, gathered so that announcements are rare.
import { byId } from "./draw.js";
import { TEXTS } from "./texts.js";

const PAUSE = 10_000; // milliseconds between two announcements
const MOST = 8; // that are named in one

let told = new Map(); // by name: the word that was said, or that it had at first
let saidAt = -Infinity;

// `present`: the state of each, by name; `now`: milliseconds of a monotonic clock.
export function announce(present, now) {
  const isFirst = !told.size;
  const gone = [...told.keys()].filter((name) => !present.has(name)).map((name) => [name, TEXTS.gone]);
  const changed = [...[...present].filter(([name, word]) => told.get(name) !== word), ...gone];
  if (isFirst) told = present;
  if (isFirst || !changed.length || now - saidAt < PAUSE) return;
  told = present;
  saidAt = now;
  const others = changed.length - MOST;
  const named = changed.slice(0, MOST).map(([name, word]) => TEXTS.becomes(name, word));
  byId("said").textContent = [...named, ...(others > 0 ? [TEXTS.andMore(others)] : [])].join(". ");
}

// Announces changes of the GPUs of this host.
export function render({ event, phase, now }) {
  if (phase !== "live") { // that it is lost is a status of its own
    byId("said").textContent = "";
    return;
  }
  const word = (gpu) => TEXTS.states[gpu.state] ?? TEXTS.verdicts[gpu.health.verdict ?? "unknown"];
  announce(new Map(event.gpus.map((gpu) => [TEXTS.gpu(gpu.id), word(gpu).replace(/^\S /, "")])), now);
}
