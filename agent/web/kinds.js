// The kinds of waits of "Tell me when": the request to a host, and whether its answer makes the wait come true.
// `judge(watch, host, answer)` and `missed(watch, host, error)` return the notice; null: nothing yet; {meanwhile}: a
// notice while the wait goes on. `watch.seen` has what they keep about a host, by its path. An unknown value never
// makes a wait come true.
import { FREE, PROCESSES } from "./answers.js";
import { Refused, worded } from "./api.js";
import { skipped } from "./clock.js";
import { nameOf } from "./copy.js";
import { TEXTS, known } from "./texts.js";
import { inWords, question } from "./wish.js";
import { WORDS } from "./words.js";

const TRIES = 2; // questions in a row without an answer: one alone gets lost at times
const APART = 30; // seconds by which the times of one process may differ: answers are late, and rounded

// The name of the host, where it is the only one.
const only = ({ hosts }) => (hosts.length === 1 ? hosts[0].name : null);

const need = {
  path: ({ wish }) => question(wish),
  worded: ({ wish }) => WORDS.awaits.need(inWords(wish)),
  judge: ({ wish }, { name }, offer) =>
    (offer.satisfied ? WORDS.came.need(name, offer.gpus.map(nameOf).join(", "), inWords(wish)) : null),
};

// The critical ones of a /summary by name, and those with an unknown verdict.
function critical({ host, gpus }) {
  const all = [{ ...host, called: TEXTS.theHost }, ...gpus.map((gpu) => ({ ...gpu, called: TEXTS.gpu(gpu.idx) }))];
  return {
    now: new Map(all.filter(({ verdict }) => verdict === "critical").map(({ called, reason }) => [called, reason])),
    unknown: all.filter(({ verdict }) => !known(verdict)).map(({ called }) => called),
  };
}

const turnsCritical = {
  path: () => "summary",
  worded: (watch) => WORDS.awaits.critical(only(watch)),
  judge({ seen }, { name, url }, summary) {
    const { now, unknown } = critical(summary);
    const before = seen[url]; // null: it was not heard before
    const kept = before ? before.critical.filter((called) => unknown.includes(called)) : [];
    seen[url] = { count: summary.gpus.length, critical: [...now.keys(), ...kept] };
    if (!before) return null;
    // If the number of GPUs changed, an index may be another GPU: then only a greater number of critical GPUs counts.
    const isSame = before.count === summary.gpus.length;
    const gpus = (names) => names.filter((called) => called !== TEXTS.theHost);
    const areMore = gpus([...now.keys()]).length > gpus(before.critical).length;
    const isNew = (called) => (isSame || called === TEXTS.theHost ? !before.critical.includes(called) : areMore);
    const turned = [...now].filter(([called]) => isNew(called));
    return turned.length ? turned.map(([called, why]) => WORDS.came.critical(name, called, why)).join(" ") : null;
  },
};

const goesDown = {
  path: () => "summary",
  worded: (watch) => WORDS.awaits.down(only(watch)),
  judge(watch, { url }) {
    watch.answers = (watch.answers ?? 0) + 1; // of all hosts
    watch.isCutOff = false;
    watch.seen[url] = { missed: 0, silent: 0, answers: watch.answers, skipped: skipped() };
    return null;
  },
  missed(watch, { name, url }, error) {
    const before = watch.seen[url]; // null: it was not up since
    if (error instanceof Refused || error.status === 404) { // it answers
      watch.answers = (watch.answers ?? 0) + 1;
      return null;
    }
    if (!before || !navigator.onLine) return null;
    const up = Object.values(watch.seen);
    const isReached = up.length === 1 || watch.answers !== before.answers; // since then another host has answered
    if (before.skipped !== skipped()) Object.assign(before, { missed: 0, silent: 0 }); // after a sleep a network takes its time
    Object.assign(before, { silent: before.silent + 1, answers: watch.answers, skipped: skipped() });
    if (isReached) {
      before.missed += 1;
      return before.missed === TRIES ? WORDS.came.down(name, worded(error)) : null;
    }
    // If no host answers, the cause may be this browser's network.
    if (watch.isCutOff || !up.every(({ silent }) => silent >= TRIES)) return null;
    watch.isCutOff = true;
    return { meanwhile: WORDS.came.cutOff };
  },
};

// A sighting of a process of this age, in seconds.
export const sighting = (age) =>
  ({ age, wall: Date.now(), steady: performance.now(), page: performance.timeOrigin });

// Whether a process with this pid is the one that was seen, because pids are reused. Its age must have grown with at
// least one of the two clocks: one can be set, the other stops while the computer sleeps and restarts with each page.
function isSame(before, now) {
  if (!known(before.age) || !known(now.age)) return true; // nothing speaks against it
  const passed = [now.wall - before.wall, before.page === now.page ? now.steady - before.steady : NaN];
  return passed.some((milliseconds) => Math.abs(now.age - before.age - milliseconds / 1000) <= APART);
}

const ends = {
  path: ({ pid }) => `processes?pid=${pid}`,
  worded: ({ pid, name, hosts: [host] }) => WORDS.awaits.ends(pid, name, host.name),
  judge(watch, { name, url }, { processes, unknown_idx: unknown }) {
    const rows = processes.filter(({ pid }) => pid === watch.pid);
    const age = rows.find((row) => known(row.running_seconds))?.running_seconds ?? null;
    const now = sighting(age);
    const before = watch.seen[url] ?? watch.first;
    const gone = WORDS.came.ends(watch.pid, watch.name, name);
    if (!rows.length) return before.gpus.some((idx) => unknown.includes(idx)) ? null : gone;
    if (!isSame(before, now)) return gone;
    watch.seen[url] = { ...(known(age) ? now : before), gpus: rows.map(({ idx }) => idx) };
    return null;
  },
};

// The form of the answer to a question of these kinds other than /summary.
export const shapeOf = (path) => (path.startsWith("free?") ? FREE : PROCESSES);

export const KINDS = { need, critical: turnsCritical, down: goesDown, ends };
