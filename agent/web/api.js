// Requests to the agent: paths are relative, so that any prefix works; the token is never part of a URL.
import { OtherVersion } from "./shape.js";
import { TEXTS } from "./texts.js";

const MAX_PAUSE = 30; // seconds between two tries at most
const SILENCE = 10_000; // milliseconds without an event after which a stream counts as broken
const PATIENCE = 4000; // milliseconds for an answer: less than between two looks, so that few wait at once
// The characters that `fetch` accepts in a header; for others it throws an error without a cause.
const FIT_FOR_A_HEADER = /^[\x20-\x7e\xa0-\xff]+$/;

// null if the browser has no storage: the token is then asked for each time.
function storage(name) {
  try {
    return window[name];
  } catch {
    return null;
  }
}
export const tab = storage("sessionStorage");
export const browser = storage("localStorage");
// The list that is stored there as JSON; empty if there is no storage, or no list in it.
export function kept(place, key) {
  try {
    return [...JSON.parse(place.getItem(key))];
  } catch {
    return [];
  }
}
let inMemory = null; // the token, where there is no storage
// Agents behind one proxy share an origin, and so the browser's storage: each path has its own token.
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

// The agent requires a token, or another one.
export class Refused extends Error {
  message = TEXTS.onlyStream;
}
// It accepted the request but does not answer: more requests would only pile up.
export class Silent extends Error {
  message = TEXTS.silent;
}

// The text for an error. Errors of the JavaScript engine are bugs of the page, not failures of the request.
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

// A connection that fails or breaks: the browser's error names no cause.
function broken(error) {
  throw error instanceof TypeError ? new Error(TEXTS.unreachable) : error;
}

// The answer that start.js requested while the other scripts were loading; used once, and only while it is fresh.
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
    const why = typeof body?.error === "string" ? body.error : TEXTS.httpStatus(answer.status);
    throw Object.assign(new Error(why), { status: answer.status });
  }
  return answer;
}

// `agent`: the path of another agent of this origin, which may have a token of its own.
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

// An answer as a blob, to be saved.
export async function file(path) {
  const answer = await ask(path, AbortSignal.timeout(PATIENCE));
  return answer.blob().catch(broken);
}

// Yields each event of one connection; `heard` is called whenever data arrive.
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
  // A proxy sends this for an agent that is down, because EventSource does not reconnect after an error.
  throw isEmpty ? new Silent() : new Error(TEXTS.streamEnded);
}

// Calls `seen(event, build)` for each event of the stream. When the stream is lost, it awaits `down(error, seconds)`
// before the next try. EventSource cannot send a header, does not notice a silent peer, and gives up after an answer
// that is not a stream.
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
