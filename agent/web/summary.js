// The /summary of a host, and its GPUs in the form that cards, rows and tiles need.
import { shown } from "./model.js";
import { SUMMARY, checked } from "./shape.js";
import { TEXTS, UNKNOWN, known } from "./texts.js";

// Asks a host; throws the reason if it does not answer.
export async function summaryOf(host) {
  try {
    return checked(await host.ask("summary"), SUMMARY);
  } catch (error) {
    if (error.status !== 404) throw error;
    const { older } = await import("./older.js").catch(() => Promise.reject(error)); // gone after an upgrade
    return older(await host.ask("gpu"));
  }
}

// In the form of /gpu.
function asInEvent(gpu, { model = null }) {
  return {
    id: gpu.idx,
    name: gpu.model ?? model,
    state: gpu.state,
    health: { verdict: gpu.verdict, reasons: [gpu.reason].filter(known) },
    utilization: { gpu_percent: gpu.utilization_percent },
    memory: { used_mb: gpu.memory_used_mb, total_mb: gpu.memory_total_mb },
    temperature_celsius: gpu.temperature_celsius,
    power: { usage_watts: gpu.power_watts, limit_watts: null },
  };
}

// `age`: seconds, for a host whose values are not current.
export function gpuShown(gpu, host, age) {
  const isNow = age === null;
  return shown(asInEvent(gpu, host.summary), `${host.url}?host#gpu${gpu.idx}`, {
    age,
    users: isNow && gpu.users ? gpu.users.map((name) => name ?? UNKNOWN) : null,
    free: isNow && gpu.free ? TEXTS.free : null,
    isKeptOut: isNow && gpu.kept_out === true,
    instances: [],
  });
}
