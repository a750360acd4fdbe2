// Keeps the stream: what comes of it goes into the state, and when it is lost, how long until the next try.
import { Refused, follow, token, worded } from "./api.js";
import { check } from "./shape.js";
import { INTERVAL, changed, look, state } from "./state.js";
import { TEXTS } from "./texts.js";

let watching = null; // what ends the stream and all that is asked
let fresh = false; // whether the last thing heard had values
let wake = null; // ends the pause before the next try

// The signal of the stream that runs now; null: none does.
export const signal = () => watching?.signal ?? null;

export function become(phase, problem = null) {
  Object.assign(state, { phase, problem, retryAt: null, now: performance.now() });
  changed();
}

// What was true once is not shown as true now: whom a GPU is offered to, whose it is.
function forget(why) {
  Object.assign(state, { offers: null, processesFault: why });
}

// `heard(event)` is called for each event with values, once it is in the state.
export function start(heard) {
  stop();
  watching = new AbortController();
  fresh = false;
  forget(TEXTS.connecting);
  become("connecting");
  follow(
    `gpu/stream?interval=${INTERVAL}`,
    watching.signal,
    (event) => {
      fresh = event.status !== "error";
      if (!fresh) return become("late", event.error);
      check(event);
      Object.assign(state, { event, heardAt: performance.now() });
      become("live");
      heard(event);
    },
    down,
  );
}

// The connection is lost; resolves when it is time for the next try.
async function down(error, seconds) {
  fresh = false;
  if (error instanceof Refused) return refuse();
  forget(worded(error));
  become("lost", worded(error));
  state.retryAt = state.now + seconds * 1000;
  await new Promise((resolve) => {
    wake = resolve;
    setTimeout(resolve, seconds * 1000);
  });
}

// For a page that keeps no stream: the signal of what it asks.
export function aside() {
  stop();
  watching = new AbortController();
  become("connecting");
  return watching.signal;
}

// Tries at once, where a try is awaited.
export const tryNow = () => wake?.();

// Without a token nobody is shown anything. It stays remembered: the agent may have refused it by mistake.
export function refuse() {
  stop();
  Object.assign(state, { event: null, heardAt: null, processes: null });
  forget(null);
  become("login", token.get() ? TEXTS.wrongToken : null);
}

// A tab that nobody sees asks nothing.
export function pause() {
  stop();
  forget(TEXTS.paused);
  become("paused");
}

function stop() {
  watching?.abort();
  watching = null;
}

// Once in a second: time alone makes values old.
export function tick() {
  look(fresh);
  changed();
}
