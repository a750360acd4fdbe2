// All hosts as one: how many there are of what counts, and how much they do together.
import { named } from "./draw.js";
import { fleet, isDown, isLive } from "./fleet.js";
import { TEXTS, UNKNOWN, known, memory, number } from "./texts.js";
import { isJudged } from "./troubles.js";

const sum = (values) => (values.length ? values.reduce((total, value) => total + value, 0) : null);
const mean = (values) => (values.length ? sum(values) / values.length : null);

// How many, and of how many hosts that is not known; null: of all of them.
function counted(count, isTold) {
  const untold = fleet.hosts.filter((host) => !isTold(host)).length;
  return untold < fleet.hosts.length ? [count, untold && TEXTS.unknownHosts(untold)] : null;
}

const each = (field) => (host) => isLive(host) && host.summary.gpus.every((gpu) => known(gpu[field]));

// Whether it is known what is wrong with a host: that it is down says it.
export const isTold = (host) => isDown(host) || isJudged(host);

// As the bar takes them. `gpus`: of the hosts that tell how they are; `troubles`: see troubles.js.
export function counts(gpus, troubles) {
  const wrong = troubles.reduce((count, { whom }) => count + Math.max(1, whom.length), 0);
  return {
    free: counted(gpus.filter(({ free }) => free).length, each("free")),
    trouble: counted(wrong, isTold),
    down: counted(fleet.hosts.filter(isDown).length, (host) => isDown(host) || isLive(host)),
  };
}

// GPUs with a process.
export const busy = (gpus) => counted(gpus.filter(({ users }) => users?.length).length, each("users"));

export function totals(live, gpus) {
  const values = (field) => gpus.map((gpu) => gpu[field]).filter(known);
  const all = sum(values("memory_total_mb"));
  const watts = sum(values("power_watts"));
  // Of how many GPUs one of these is not in it.
  const beside = (text, ...fields) => {
    const untold = gpus.filter((gpu) => !fields.every((field) => known(gpu[field]))).length;
    return untold && untold < gpus.length ? `${text}, ${TEXTS.unknownToo(untold)}` : text;
  };
  return named(TEXTS.totals, {
    hosts: TEXTS.part(live.length, fleet.hosts.length),
    gpus: live.length ? `${gpus.length}` : UNKNOWN,
    utilization: beside(number(mean(values("utilization_percent")), " %"), "utilization_percent"),
    memory: beside(TEXTS.part(memory(sum(values("memory_used_mb")), all), memory(all)), "memory_used_mb", "memory_total_mb"),
    power: beside(known(watts) ? number(watts / 1000, " kW", 1) : UNKNOWN, "power_watts"),
  });
}
