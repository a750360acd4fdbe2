// All hosts as one: how many there are of what counts, and how much they do together.
import { named } from "./draw.js";
import { fleet, isDown } from "./fleet.js";
import { TEXTS, UNKNOWN, known, memory, number } from "./texts.js";

const sum = (values) => (values.length ? values.reduce((total, value) => total + value, 0) : null);
const mean = (values) => (values.length ? sum(values) / values.length : null);

// As the bar takes them. `live`: hosts that tell how they are; `gpus`: theirs; `troubles`: see troubles.js.
export function counts(live, gpus, troubles) {
  const down = fleet.hosts.filter(isDown).length;
  const told = live.filter(({ summary }) => summary.gpus.every(({ free }) => known(free))).length;
  const unknown = fleet.hosts.length - told;
  const isAsked = live.length + down > 0;
  const wrong = troubles.reduce((count, { whom }) => count + Math.max(1, whom.length), 0);
  return {
    free: told ? [gpus.filter(({ free }) => free).length, unknown && TEXTS.unknownHosts(unknown)] : null,
    trouble: isAsked ? [wrong, ""] : null,
    down: isAsked ? [down, ""] : null,
  };
}

// GPUs with a process.
export const busy = (gpus) => (gpus.length ? [gpus.filter(({ users }) => users?.length).length, ""] : null);

export function totals(live, gpus) {
  const values = (field) => gpus.map((gpu) => gpu[field]).filter(known);
  const all = sum(values("memory_total_mb"));
  const watts = sum(values("power_watts"));
  return named(TEXTS.totals, {
    hosts: TEXTS.part(live.length, fleet.hosts.length),
    gpus: live.length ? `${gpus.length}` : UNKNOWN,
    utilization: number(mean(values("utilization_percent")), " %"),
    memory: TEXTS.part(memory(sum(values("memory_used_mb")), all), memory(all)),
    power: known(watts) ? number(watts / 1000, " kW", 1) : UNKNOWN,
  });
}
