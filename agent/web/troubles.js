// The troubles of all hosts: first hosts that do not report their state, then critical findings, then warnings.
import { fleet, isDown, isLive } from "./fleet.js";
import { GRAVITY, finding, ranges } from "./findings.js";
import { marked } from "./mute.js";
import { TEXTS, known } from "./texts.js";

// {key, mark: see mute.js, verdict: "down", "critical" or "warning"; host, whom: indices of GPUs, none: the host
// itself; why, todo} The key stays the same as long as it is the same trouble.
function ofHost(host) {
  if (isDown(host)) {
    const mark = marked(host.url, "down", "", ""); // whatever does not answer for it
    return [{ key: `${host.name} down`, mark, verdict: "down", host, whom: [], why: host.fault, todo: null }];
  }
  if (!isLive(host)) return []; // it was not heard yet
  const found = new Map();
  const add = ({ verdict, reason, todo }, index) => {
    if (!GRAVITY.includes(verdict)) return;
    const key = [host.name, verdict, known(index) ? "gpus" : "host", reason].join(" ");
    if (!found.has(key)) found.set(key, { key, verdict, host, whom: [], why: reason, todo });
    if (known(index)) found.get(key).whom.push(index);
  };
  add(host.summary.host);
  for (const gpu of host.summary.gpus) add(gpu, gpu.idx);
  return [...found.values()].map((one) => ({ ...one, mark: marked(host.url, one.verdict, one.whom.join(), one.why ?? "") }));
}

// The gravest first.
export function troubles() {
  const gravity = ({ verdict }) => GRAVITY.indexOf(verdict);
  return fleet.hosts.flatMap(ofHost).sort((one, other) => gravity(one) - gravity(other));
}

// Whether every verdict of a host is known now.
export const isJudged = (host) =>
  isLive(host) && [host.summary.host, ...host.summary.gpus].every(({ verdict }) => known(verdict));

// The same for the host of this path.
export const tellsAll = (url) => fleet.hosts.some((host) => host.url === url && isJudged(host));

export function line({ key, verdict, host, whom, why, todo }, more = null) {
  const text = whom.length ? `${host.name} ${TEXTS.gpu(ranges(whom))}` : host.name;
  const href = `${host.url}?host${whom.length === 1 ? `#gpu${whom[0]}` : ""}`;
  return finding(key, verdict, TEXTS.hostVerdicts[verdict], { text, href }, why, todo, more);
}
