// The waits of "Tell me when", kept across a reload: asks the hosts, and gives notice once when a wait comes true.
// A wait is {id, kind, hosts: [{name, url}], seen, and what its kind needs}; see kinds.js.
import { Refused, kept, tab } from "./api.js";
import { KINDS, shapeOf } from "./kinds.js";
import { ask } from "./lanes.js";
import { GATHER, give } from "./notices.js";
import { checked } from "./shape.js";
import { changed } from "./state.js";
import { summaryOf } from "./summary.js";

const KEY = "agent-awaited";
const PACE = 10_000; // milliseconds from one time that a question is asked to the next
const HIDDEN_PACE = 60_000; // in a tab that nobody sees: a browser lets no more often
const REFUSED = 55_000; // milliseconds until a host is asked again that wants a token
const FED = 25_000; // milliseconds for which an answer that the page itself got from a host counts

let watches = kept(tab, KEY).filter((watch) => Object.hasOwn(KINDS, watch?.kind) && Array.isArray(watch.hosts));
const askedAt = new Map(); // by host, and by host and question: when it was asked, by performance.now()
const fedAt = new Map(); // by host: when the page itself got its /summary
const faults = new Map(); // by host: the error of its last failed answer
const busy = new Set(); // hosts that are being asked
const always = new AbortController().signal; // of questions that nobody ends

function save() {
  tab?.setItem(KEY, JSON.stringify(watches.filter(({ firedAt }) => !firedAt)));
  changed();
}

// The open waits, each with the number of its hosts whose state is unknown now.
export const list = () => watches.filter(({ firedAt }) => !firedAt).map((watch) =>
  ({ ...watch, text: KINDS[watch.kind].worded(watch), untold: watch.hosts.filter(({ url }) => faults.has(url)).length }));

export function add(watch) {
  const hosts = watch.hosts.map(({ name, url }) => ({ name, url }));
  watches.push({ ...watch, hosts, id: `${Date.now()} ${Math.random()}`, seen: {}, told: [] });
  save();
  tick();
}

export function stop(id) {
  watches = watches.filter((watch) => watch.id !== id);
  save();
}

// Judges every wait for this host; `judged(kind, watch, host)` returns the notice, see kinds.js.
function judge(url, path, judged) {
  const concerned = watches.filter(({ hosts }) => hosts.some((one) => one.url === url));
  if (!concerned.length) return;
  for (const watch of concerned) {
    const host = watch.hosts.find((one) => one.url === url);
    if (watch.told.includes(url) || KINDS[watch.kind].path(watch) !== path) continue;
    const text = judged(KINDS[watch.kind], watch, host);
    if (!text) continue;
    if (text.meanwhile) {
      give(text.meanwhile);
      continue;
    }
    watch.firedAt ??= performance.now();
    watch.told.push(url);
    give(text);
  }
  save();
}

// Takes the answer of a host to /summary, or its error, that the page has received.
export function hear(url, path, answer, error = null) {
  if (path === "summary") fedAt.set(url, performance.now());
  if (error) faults.set(url, error);
  else faults.delete(url);
  judge(url, path, (kind, watch, host) => (error ? kind.missed?.(watch, host, error) : kind.judge(watch, host, answer)));
}

async function look(url, path) {
  busy.add(url);
  askedAt.set(url, performance.now());
  askedAt.set(`${url} ${path}`, performance.now());
  const put = (question) => ask(url, question, always);
  const told = async () => checked(await put(path), shapeOf(path));
  const answered = path === "summary" ? summaryOf({ ask: put }) : told(); // an older agent has no /summary
  const [answer, error] = await answered.then((found) => [found, null], (why) => [null, why]);
  busy.delete(url);
  hear(url, path, answer, error);
}

// The requests to be sent, by the path of the host.
function questions() {
  const found = new Map();
  for (const watch of watches) {
    if (watch.firedAt) continue;
    for (const { url } of watch.hosts) found.set(url, (found.get(url) ?? new Set()).add(KINDS[watch.kind].path(watch)));
  }
  return found;
}

// Sends each host one request at a time, the one that waited longest; one a minute while the tab is hidden.
function tick() {
  const now = performance.now();
  const since = (key, when = askedAt) => now - (when.get(key) ?? -Infinity);
  watches = watches.filter(({ firedAt }) => !firedAt || now - firedAt < GATHER);
  for (const [url, paths] of questions()) {
    const isRefused = faults.get(url) instanceof Refused;
    if (busy.has(url) || (isRefused && since(url) < REFUSED)) continue;
    const age = (path) => since(`${url} ${path}`);
    const isFed = since(url, fedAt) < FED;
    const isDue = (path) => document.hidden || (age(path) >= PACE && !(isFed && path === "summary"));
    const [first] = [...paths].filter(isDue).sort((one, other) => age(other) - age(one));
    if (first) look(url, first);
  }
}

let timer = null;

function clock() {
  clearInterval(timer);
  timer = setInterval(tick, document.hidden ? HIDDEN_PACE : 1000);
  if (!document.hidden) tick();
}

export function begin() {
  document.addEventListener("visibilitychange", clock);
  clock();
}
