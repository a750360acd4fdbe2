// How many questions are asked at a time, so that hosts that do not answer keep no other waiting.
// A browser opens six connections to one origin over HTTP/1.1, and a silent host keeps its own all the while; over HTTP/2
// all share one.
const IS_SHARED = /^h[23]/.test(performance.getEntriesByType("navigation")[0]?.nextHopProtocol ?? "");

// At most `width` questions at a time; the others wait in the order in which they came.
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

// By how the host was when it was asked last.
export const lanes = { quick: new Lane(IS_SHARED ? 24 : 4), silent: new Lane(IS_SHARED ? 6 : 1) };
