// Limits the number of simultaneous requests, so that hosts that do not answer do not block others.
import { Silent, get } from "./api.js";

// Over HTTP/1.1 a browser opens six connections to an origin, and a silent host occupies one; over HTTP/2 all share
// one.
const IS_SHARED = /^h[23]/.test(performance.getEntriesByType("navigation")[0]?.nextHopProtocol ?? "");

// At most `width` requests at a time; the others wait in order of arrival.
class Lane {
  #waiting = [];

  constructor(width) {
    this.width = width;
  }

  async run(question) {
    if (this.width > 0) this.width -= 1;
    else await new Promise((resume) => this.#waiting.push(resume));
    try {
      return await question();
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.width += 1;
    }
  }
}

const lanes = { quick: new Lane(IS_SHARED ? 24 : 4), silent: new Lane(IS_SHARED ? 6 : 1) };
const silent = new Set(); // paths of the hosts that gave no answer the last time

// The JSON of an answer, out of its envelope. `url`: the path of the host on this origin, with a slash at its end.
export async function ask(url, path, signal) {
  const mine = url === location.pathname ? undefined : url; // of this page's own agent the token may be kept by no storage
  return lanes[silent.has(url) ? "silent" : "quick"].run(async () => {
    try {
      const answer = await get(url + path, signal, mine);
      silent.delete(url);
      return answer;
    } catch (error) {
      if (error instanceof Silent) silent.add(url);
      else if (!signal.aborted) silent.delete(url);
      throw error;
    }
  });
}
