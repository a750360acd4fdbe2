// Keeps the stream open: its events go into the state; when it is lost, so does the time until the next try.
import { WALL } from "./address.js";
import { Refused, follow, tab, token, worded } from "./api.js";
import { skipped } from "./clock.js";
import { EVENT, OtherVersion, checked } from "./shape.js";
import { INTERVAL, changed, look, state } from "./state.js";
import { TEXTS } from "./texts.js";

let watching = null; // what ends the stream and all that is asked
let standing = null; // what ends the questions of a connection when it is lost
let fresh = false; // whether the last thing heard had values
let isNew = true; // whether nothing came of this connection yet
let restart = null; // begins anew
let wake = null; // ends the pause before the next try

// The signal of the present stream, also between two tries; null: there is none.
export const signal = () => watching?.signal ?? null;

// The signal of the present connection, for values that are valid only while it lasts; null: there is none.
export const moment = () => standing?.signal ?? null;

export function become(phase, problem = null) {
  Object.assign(state, { phase, problem, retryAt: null, now: performance.now() });
  changed();
}

// Removes values that may no longer be true, such as offers and users, and cancels pending requests.
function forget(why) {
  standing?.abort();
  standing = null;
  Object.assign(state, { offers: null, processesFault: why });
}

// `heard(event, isNew)` is called for each event with values, after the state has it; `isNew`: it is the first of a
// connection.
export function start(heard) {
  restart = () => start(heard);
  stop();
  watching = new AbortController();
  fresh = false;
  isNew = true;
  forget(TEXTS.phases.connecting);
  become("connecting");
  follow(
    `gpu/stream?interval=${INTERVAL}`,
    watching.signal,
    (event, build) => {
      fresh = event?.status !== "error";
      if (!fresh) return become("late", event.error);
      const problem = renewed(build); // first: only the page of a new build may understand its events
      try {
        Object.assign(state, { event: checked(event, EVENT), heardAt: performance.now() });
        become("live", problem);
        standing ??= new AbortController();
        heard(event, isNew);
        isNew = false;
      } catch (error) {
        broken(error); // what the page cannot show is not the connection's fault
      }
    },
    down,
  );
}

// The page does not understand the agent, or itself has an error: nothing that it shows can be relied on.
export function broken(error) {
  fresh = false;
  isNew = true;
  forget("");
  become(error instanceof OtherVersion ? "late" : "broken", worded(error));
  clearTimeout(timer);
  if (WALL) timer = setTimeout(() => state.phase === "broken" && anew().then(() => broken(error)), MINUTE); // nobody is there to reload it
}

// Reloads the page if it can be fetched: otherwise the browser would show the error page of a proxy.
async function anew(build = "") {
  const text = await fetch(location.href, { cache: "reload" }).then((answer) => (answer.ok ? answer.text() : ""), () => "");
  if (!text.includes(`data-build="${build}`)) return;
  if (build) tab?.setItem(BUILD, build);
  location.reload();
}

const MINUTE = 60_000; // milliseconds
const BUILD = `agent-build ${location.pathname}`;
let timer = null; // until a wall is loaded anew
let triedAt = null; // when the page was asked for; null: never

// After an upgrade of the agent the page reloads itself, once, because a cache may still have the old one. On a wall,
// and if it could not be fetched, it tries again after a few minutes. Returns what to say meanwhile; null: nothing.
export function renewed(build) {
  const { build: mine } = document.documentElement.dataset;
  if (!build || !mine || build === mine) return null;
  const wasLoaded = !tab || tab.getItem(BUILD) === build;
  const isDue = performance.now() > (triedAt ?? (wasLoaded ? 0 : -Infinity)) + 5 * MINUTE;
  if ((wasLoaded && !WALL) || !isDue) return TEXTS.otherBuild;
  triedAt = performance.now();
  anew(build);
  return null;
}

// The connection is lost; resolves when it is time for the next try.
async function down(error, seconds) {
  fresh = false;
  isNew = true;
  if (error instanceof Refused) return refuse();
  forget(worded(error));
  become("lost", worded(error));
  state.retryAt = state.now + seconds * 1000;
  await new Promise((resolve) => {
    wake = resolve;
    setTimeout(resolve, seconds * 1000);
  });
  state.retryAt = null;
  changed();
}

// For a page without a stream: the signal for its requests.
export function aside() {
  stop();
  watching = new AbortController();
  become("connecting");
  return watching.signal;
}

// Ends the pause before the next try.
export const tryNow = () => wake?.();

// Without a valid token nothing is shown. The token stays remembered: the agent may have refused it by mistake.
export function refuse() {
  stop();
  Object.assign(state, { event: null, heardAt: null, processes: null });
  forget("");
  become("login", token.get() ? TEXTS.wrongToken : null);
}

// A hidden tab sends no requests.
export function pause() {
  stop();
  forget(TEXTS.phases.paused);
  become("paused");
}

function stop() {
  watching?.abort();
  watching = null;
}

let parted = skipped();

// Called once a second, because values become old by time alone.
export function tick() {
  const { phase } = state;
  const hasSlept = skipped() > parted; // or may have: what was heard before is not of now
  parted = skipped();
  if (hasSlept && (phase === "live" || phase === "late")) return restart();
  look(fresh);
  changed(!(phase === "live" && state.phase === "live"));
}
