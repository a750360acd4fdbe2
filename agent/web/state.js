// All that the page knows, in one place. Modules write it and call `changed`; views only read it.
import { read } from "./address.js";

export const INTERVAL = 2; // seconds between two events of the stream
const OLD = 3 * INTERVAL * 1000; // milliseconds after which values are no longer those of now

export const state = {
  // connecting: no event on this connection yet; live: the values are current; late: connected, but the values are old;
  // lost: disconnected; paused: the tab is hidden; login: the agent requires a token; broken: the page has an error
  phase: "connecting",
  // while lost: when the next try comes; null: it is being made
  retryAt: null,
  // what is wrong, as a sentence
  problem: null,
  // the last one of the stream that had values
  event: null,
  // when it came
  heardAt: null,
  // of the last look at the clock; every time here is of this clock, which nobody can set
  now: performance.now(),
  // rows of /processes, each with its `key`; null: not known
  processes: null,
  // indices of the GPUs whose processes are not known
  processesUnknown: [],
  // why none is known, or only those of a time before
  processesFault: "",
  // the answer of /free, and the time of the request as `at`; null: not known. See offersNow
  offers: null,
  // what to do, by the reason of a verdict
  advice: new Map(),
  // of what was awaited, and that nobody has seen yet
  notices: 0,
  // what the address asks for
  view: read(),
  // why what the view asked for is not there
  viewFault: null,
};

// Verdicts, offers and users are shown only while values are current.
export const isLive = () => state.phase === "live";

// The present processes; null: unknown.
export const processesNow = () => (isLive() && state.processesFault === null ? state.processes : null);

// The age of the values, in milliseconds; null: there are none.
export const age = () => state.heardAt === null ? null : Math.max(0, state.now - state.heardAt);

// The phase that follows from time alone; `fresh`: whether the last event had values.
export function look(fresh) {
  state.now = performance.now();
  if (state.phase === "live" && (!fresh || age() > OLD)) state.phase = "late";
  else if (state.phase === "late" && fresh && age() <= OLD) state.phase = "live";
}

const listeners = [];
let pending = null; // whether to report a change, and whether it is more than a change of age

// `listener(isMore)` is called after every change, once for simultaneous changes. `isMore` is false if only the age of
// current values changed.
export function on(listener) {
  listeners.push(listener);
}

export function changed(isMore = true) {
  if (pending) {
    pending.isMore ||= isMore;
    return;
  }
  pending = { isMore };
  queueMicrotask(() => {
    const change = pending;
    pending = null;
    for (const listener of listeners) listener(change.isMore);
  });
}
