// The totals of all hosts: counts, and sums of their values.
import { named } from "./draw.js";
import { fleet, isDown, isLive } from "./fleet.js";
import { TEXTS, UNKNOWN, known, memory, number } from "./texts.js";
import { isJudged } from "./troubles.js";

const sum = (values) => (values.length ? values.reduce((total, value) => total + value, 0) : null);
const mean = (values) => (values.length ? sum(values) / values.length : null);

// A count, and the number of hosts for which it is unknown; null: for all of them.
function counted(count, isTold) {
  const untold = fleet.hosts.filter((host) => !isTold(host)).length;
  return untold < fleet.hosts.length ? [count, untold && TEXTS.unknownHosts(untold)] : null;
}

const each = (field) => (host) => isLive(host) && host.summary.gpus.every((gpu) => known(gpu[field]));

// Whether the state of a host is known; a host that is down counts as known.
export const isTold = (host) => isDown(host) || isJudged(host);

// The counts for the bar. `gpus`: of the hosts that report their state; `troubles`: see troubles.js.
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
  // The number of GPUs for which a value is missing in the sum.
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
