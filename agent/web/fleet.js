// All hosts, each with its last /summary; every view of hosts uses `fleet.hosts`.
// A host has
//   name, url  its name for people, and its path on this origin, with a slash at its end
//   ask(path)  → Promise of the JSON, out of its envelope; it waits for its turn and rejects with words for people
//   summary    its last /summary; null: none came yet. Verdicts, offers and users in it only count while `isLive`
//   heardAt    when that came, by clock.js; null: never
//   lookedAt   when it was asked last, with or without an answer
//   fault      why the last question brought no answer, as a sentence; null: it did. `error`: the same as it was thrown
// `on(listener)` calls `listener(host)` after each answer of a host and when its values became old, and
// `listener(null)` once a second.
import { Refused, storageKey, worded } from "./api.js";
import { now } from "./clock.js";
import { renewed } from "./connection.js";
import { ask } from "./lanes.js";
import { is, object } from "./shape.js";
import { changed, state } from "./state.js";
import { summaryOf } from "./summary.js";
import { TEXTS, UNKNOWN, known } from "./texts.js";

// Milliseconds between two requests to a host: at least the first, at most the last, else so that five hosts are asked
// in a second.
const INTERVAL = { least: 5000, host: 200, most: 10_000 };
const REFUSED = 60_000; // milliseconds until a host is asked again that wants another token

export const fleet = { hosts: [], interval: INTERVAL.least };

const listeners = [];

export function on(listener) {
  listeners.push(listener);
}

function emit(host) {
  for (const listener of listeners) listener(host);
}

// Milliseconds since the last answer of the host; null: there was none.
export const age = (host) => (known(host.heardAt) ? now() - host.heardAt : null);

const isOld = (host) => known(host.heardAt) && age(host) > 3 * fleet.interval;

// Whether the last answer of the host is current.
export const isLive = (host) => host.summary !== null && host.fault === null && !isOld(host);

// Whether the host was asked and does not report its state: it is down, silent or requires a token. If it was not asked
// for long, for example while the computer slept, this is unknown.
export const isDown = (host) => host.fault !== null;

let watching = AbortSignal.abort(); // what ends the questions
const ANSWERED = { fault: null, error: null, isRefused: false };

const ENTRY = object({ name: is("string"), path: is("string") });

// An odd entry becomes a host that never answers, and whose link leads nowhere.
function made(entry, place) {
  const text = (field, otherwise) => (typeof entry?.[field] === "string" ? entry[field] : otherwise);
  const host = {
    name: text("name", `${UNKNOWN} ${place + 1}`), url: text("path", `#${place}`),
    summary: null, heardAt: null, lookedAt: null, wasOld: false, ...ANSWERED,
  };
  host.ask = async (path) => {
    ENTRY(entry, "fleet[]");
    return ask(host.url, path, watching);
  };
  return host;
}

// The agent of this page reports the build of its page.
function renew(build) {
  const problem = renewed(build);
  if (problem === state.problem || state.phase !== "fleet") return; // an error of the page stays
  state.problem = problem;
  changed();
}

// Asks this host now.
async function poll(host) {
  const signal = watching;
  const wasRefused = host.isRefused;
  try {
    const summary = await summaryOf(host);
    Object.assign(host, { summary, heardAt: now(), ...ANSWERED });
    if (host.url === location.pathname) renew(summary.build);
  } catch (error) {
    if (signal.aborted) return;
    host.isRefused = error instanceof Refused;
    host.fault = host.isRefused ? TEXTS.wantsToken : worded(error);
    host.error = error;
  }
  host.lookedAt = now();
  host.wasOld = isOld(host);
  emit(host);
  if (host.isRefused !== wasRefused) changed();
}

// Asks one host regularly, at first after `wait` milliseconds, until `signal` ends it.
async function follow(host, wait, signal) {
  for (let due = performance.now() + wait; !signal.aborted; due = performance.now() + fleet.interval) {
    await poll(host);
    const left = host.isRefused ? REFUSED : Math.max(fleet.interval / 2, due - performance.now());
    await new Promise((resume) => {
      host.wake = resume;
      setTimeout(resume, left);
    });
  }
}

function tick() {
  for (const host of fleet.hosts) {
    if (isOld(host) === host.wasOld) continue;
    host.wasOld = isOld(host);
    emit(host);
  }
  emit(null);
}

// Asks all of them, over and over, until `signal` ends it. `entries`: those of /fleet, each {name, path}, and the
// same each time.
export function askAll(entries, signal) {
  watching = signal;
  if (!fleet.hosts.length) {
    fleet.hosts = entries.map(made);
    fleet.interval = Math.min(INTERVAL.most, Math.max(INTERVAL.least, entries.length * INTERVAL.host));
  }
  // Asks all at once now, then each in its turn. An earlier failure need not persist.
  fleet.hosts.forEach((host, place) => {
    Object.assign(host, ANSWERED);
    follow(host, (place / fleet.hosts.length + 0.5) * fleet.interval, signal);
  });
  const timer = setInterval(tick, 1000);
  signal.addEventListener("abort", () => clearInterval(timer));
  // A token that was entered on the page of a host in another tab.
  addEventListener("storage", ({ key }) => {
    for (const host of fleet.hosts) if (host.isRefused && key === storageKey(host.url)) host.wake?.();
  }, { signal });
}
