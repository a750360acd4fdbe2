// All that the page knows, in one place. Modules write it and call `changed`; views only read it.
import { read } from "./address.js";

export const INTERVAL = 2; // seconds between two events of the stream
const OLD = 3 * INTERVAL * 1000; // milliseconds after which values are no longer those of now

export const state = {
  // connecting: nothing came of this connection yet; live: the values are those of now; late: it stands, and they
  // are not; lost: it broke; paused: nobody looks; login: the agent wants a token; broken: the page has an error
  phase: "connecting",
  retryAt: null, // while lost: when the next try comes; null: it is being made
  problem: null, // what is wrong, as a sentence
  event: null, // the last one of the stream that had values
  heardAt: null, // when it came
  now: performance.now(), // of the last look at the clock; every time here is of this clock, which nobody can set
  processes: null, // rows of /processes, each with its `key`; null: not known
  processesUnknown: [], // indices of the GPUs whose processes are not known
  processesFault: "", // why none is known, or only those of a time before
  offers: null, // what /free told, and when it was asked as `at`; null: not known. See offersNow
  advice: new Map(), // what to do, by the reason of a verdict
  notices: 0, // of what was awaited, and that nobody has seen yet
  view: read(), // what the address asks for
  viewFault: null, // why what the view asked for is not there
};

// Verdicts, offers and users are only told of now.
export const isLive = () => state.phase === "live";

// The processes as they are now; null: not known.
export const processesNow = () => (isLive() && state.processesFault === null ? state.processes : null);

// Milliseconds since the values came; null: there are none.
export const age = () => state.heardAt === null ? null : Math.max(0, state.now - state.heardAt);

// The phase that time alone brings about; `fresh`: whether the last thing heard had values.
export function look(fresh) {
  state.now = performance.now();
  if (state.phase === "live" && (!fresh || age() > OLD)) state.phase = "late";
  else if (state.phase === "late" && fresh && age() <= OLD) state.phase = "live";
}

const listeners = [];
let pending = null; // whether a change is to be told, and whether it is more than that time passes

// `listener(isMore)` is called after every change, once for those that come together. `isMore` is false where
// nothing changed but the age of the values that are shown as those of now.
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
    const told = pending;
    pending = null;
    for (const listener of listeners) listener(told.isMore);
  });
}
