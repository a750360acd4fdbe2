// The agent, as seen from here: paths are relative, so that any prefix works; the token never stands in a URL.
import { TEXTS } from "./texts.js";

const key = (path = location.pathname) => `agent-token ${path}`;
const MAX_PAUSE = 30;

export class Refused extends Error {}

export const token = {
  get: (path) => sessionStorage.getItem(key(path)) ?? localStorage.getItem(key(path)),
  set(value, remember) {
    token.clear();
    (remember ? localStorage : sessionStorage).setItem(key(), value);
  },
  clear() {
    sessionStorage.removeItem(key());
    localStorage.removeItem(key());
  },
};

async function ask(path, signal, agent) {
  const given = token.get(agent) ?? token.get(); // TOKEN, or where there is none a key of the stream
  const headers = given ? { Authorization: given, "X-API-Key": given } : {};
  const answer = await fetch(path, { headers, signal, cache: "no-store" }).catch((error) => {
    throw error instanceof TypeError ? new Error(TEXTS.unreachable) : error; // the browser's words name no cause either
  });
  if (answer.status === 401) throw new Refused();
  if (!answer.ok) {
    const body = await answer.json().catch(() => null);
    throw new Error(body?.error ?? TEXTS.httpStatus(answer.status));
  }
  return answer;
}

// `agent`: the path of another agent of this origin, with a token of its own where one was given there.
export async function get(path, signal, agent) {
  const body = await (await ask(path, signal, agent)).json();
  return "code" in body ? body.data : body;
}

// Calls `seen(event)` for each event of the stream and `down(error, seconds)` before each new try, for ever.
// EventSource would neither send a header nor try again after an answer that is no stream.
export async function follow(path, signal, seen, down) {
  let pause = 1;
  while (!signal.aborted) {
    try {
      const answer = await ask(path, signal);
      let rest = "";
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      for (let part = await reader.read(); !part.done; part = await reader.read()) {
        const events = (rest + part.value).split("\n\n");
        rest = events.pop();
        for (const event of events) {
          if (!event.startsWith("data: ")) continue;
          pause = 1;
          seen(JSON.parse(event.slice(6)));
        }
      }
      throw new Error(TEXTS.streamEnded);
    } catch (error) {
      if (signal.aborted) return;
      down(error, pause);
      if (error instanceof Refused) return;
      await new Promise((resume) => setTimeout(resume, pause * 1000));
      pause = Math.min(MAX_PAUSE, pause * 2);
    }
  }
}
