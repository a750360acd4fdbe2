// Asks the agent: paths are relative, so that any prefix works; the token never stands in a URL.
import { TEXTS } from "./texts.js";

const MAX_PAUSE = 30; // seconds between two tries at most
const SILENCE = 10_000; // milliseconds without an event after which a stream counts as broken
const PATIENCE = 4000; // milliseconds for an answer: less than between two looks, so that few wait at once
// What `fetch` takes as the value of a header: on anything else it throws an error that names no cause.
const FIT_FOR_A_HEADER = /^[\x20-\x7e\xa0-\xff]+$/;

// null where the browser keeps nothing: the token is then asked for each time.
function storage(name) {
  try {
    return window[name];
  } catch {
    return null;
  }
}
export const tab = storage("sessionStorage");
export const browser = storage("localStorage");
// The list that is kept there in JSON; none where there is no storage, or something else in it.
export function kept(place, key) {
  try {
    return [...JSON.parse(place.getItem(key))];
  } catch {
    return [];
  }
}
let inMemory = null; // the token, where there is no storage
// Several agents share an origin behind one proxy, and the browser's storage with it: each has a token of its own.
export const storageKey = (path = location.pathname) => `agent-token ${path}`;

export const token = {
  get: (path) => tab?.getItem(storageKey(path)) ?? browser?.getItem(storageKey(path)) ?? (path ? null : inMemory),
  set(value, remember, path) {
    token.clear(path); // or the one kept elsewhere would go before it
    const place = remember ? browser : tab;
    if (place) place.setItem(storageKey(path), value);
    else if (!path) inMemory = value;
  },
  clear(path) {
    tab?.removeItem(storageKey(path));
    browser?.removeItem(storageKey(path));
    if (!path) inMemory = null;
  },
};

// The agent wants another credential, or any.
export class Refused extends Error {
  message = TEXTS.onlyStream;
}
// It took the question and answers nothing: asking on would only pile up questions.
export class Silent extends Error {
  message = TEXTS.silent;
}

// The agent answered, and not as this page understands it.
export class OtherVersion extends Error {
  constructor(field) {
    super(TEXTS.otherVersion(field));
  }
}

// An error in words for people. The engine's own are faults of the page, not of what it asks.
export function worded(error) {
  if (error instanceof OtherVersion) console.error(error.message);
  const isOurs = [TypeError, ReferenceError, RangeError, SyntaxError].some((kind) => error instanceof kind);
  if (!isOurs) return error.message;
  console.error(error);
  return TEXTS.pageFault;
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error(TEXTS.noAgent);
  }
}

// A connection that cannot be made or breaks: the browser's own words for it name no cause either.
function broken(error) {
  throw error instanceof TypeError ? new Error(TEXTS.unreachable) : error;
}

// What start.js asked for while the other scripts still came; once, and only while it is new: what waits to be read
// gets old.
function early(path, signal) {
  const asked = window.early;
  if (asked?.path !== path) return null;
  window.early = null;
  if (performance.now() - asked.at > PATIENCE) {
    asked.stop.abort();
    return null;
  }
  signal.addEventListener("abort", () => asked.stop.abort());
  if (signal.aborted) asked.stop.abort();
  return asked.answer;
}

async function ask(path, signal, agent) {
  const given = token.get(agent); // TOKEN, or where there is none a key of the stream
  if (given && !FIT_FOR_A_HEADER.test(given)) throw new Refused();
  const headers = given ? { Authorization: given, "X-API-Key": given } : {};
  const asked = early(path, signal) ?? fetch(path, { headers, signal, cache: "no-store" });
  const answer = await asked.catch(broken);
  if (answer.status === 401) throw new Refused();
  if (!answer.ok) {
    const body = await answer.json().catch(() => null);
    throw Object.assign(new Error(body?.error ?? TEXTS.httpStatus(answer.status)), { status: answer.status });
  }
  return answer;
}

// `agent`: the path of another agent of this origin, with a token of its own where one was given there.
export async function get(path, signal, agent) {
  const patience = AbortSignal.timeout(PATIENCE);
  try {
    const answer = await ask(path, AbortSignal.any([signal, patience]), agent);
    const body = parsed(await answer.text().catch(broken));
    if (body === null || typeof body !== "object") throw new Error(TEXTS.noAgent);
    return "code" in body ? body.data : body; // out of its envelope, where it has one
  } catch (error) {
    throw patience.aborted ? new Silent() : error;
  }
}

// An answer as it comes, to be saved.
export async function file(path) {
  const answer = await ask(path, AbortSignal.timeout(PATIENCE));
  return answer.blob().catch(broken);
}

// Each event of one connection; `heard` is called whenever something comes.
async function* events(path, signal, heard) {
  const answer = await ask(path, signal);
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  const next = () => reader.read().catch(() => ({ done: true })); // a connection that breaks has ended, too
  let isEmpty = true;
  let rest = ""; // the begin of an event whose end has not come yet
  for (let part = await next(); !part.done; part = await next()) {
    const blocks = (rest + part.value).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      if (!block.startsWith("data: ")) continue; // a heartbeat says nothing of the GPUs
      heard();
      isEmpty = false;
      yield [parsed(block.slice("data: ".length)), answer.headers.get("X-Agent-Build")];
    }
  }
  // A proxy answers so instead of an agent that is down, because EventSource does not come back after an error.
  throw isEmpty ? new Silent() : new Error(TEXTS.streamEnded);
}

// Calls `seen(event, build)` for each event of the stream. When it is lost, `down(error, seconds)` resolves when it is
// time for the next try: after these seconds, or before.
// EventSource would neither send a header, nor notice a silent peer, nor try again after an answer that is no stream.
export async function follow(path, signal, seen, down) {
  let pause = 1;
  while (!signal.aborted) {
    const silent = new AbortController();
    let timer = null;
    const heard = () => {
      clearTimeout(timer);
      timer = setTimeout(() => silent.abort(new Silent()), SILENCE);
    };
    heard();
    try {
      for await (const [event, build] of events(path, AbortSignal.any([signal, silent.signal]), heard)) {
        pause = 1; // only what sends events counts as back: a proxy may take connections with no agent behind it
        seen(event, build);
      }
    } catch (error) {
      clearTimeout(timer);
      if (signal.aborted) return;
      const reason = silent.signal.reason ?? error;
      silent.abort(); // ends the connection where an event could not be read
      await down(reason, pause);
    }
    pause = Math.min(MAX_PAUSE, pause * 2);
  }
}
