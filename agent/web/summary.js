// The /summary of a host, and its GPUs in the form that cards, rows and tiles need.
import { GPUS, SUMMARY, checked } from "./shape.js";
import { shown, usersOf } from "./model.js";
import { TEXTS, UNKNOWN, known } from "./texts.js";

// An older agent without /summary has the same values in /gpu, but not which GPUs are free.
function older({ gpus, simulated = false, health = null, system_info: info }) {
  const [reason = null] = health?.reasons ?? [];
  return {
    hostname: info?.hostname ?? null,
    build: null,
    simulated,
    host: { verdict: health?.verdict ?? null, reason, todo: null, isJudged: health !== null },
    gpus: gpus.map((gpu) => ({
      idx: gpu.id,
      model: gpu.name,
      state: gpu.state,
      verdict: gpu.health.verdict,
      reason: gpu.error ?? gpu.health.reasons[0] ?? null,
      todo: null,
      free: null,
      idle_since: null,
      utilization_percent: gpu.utilization.gpu_percent,
      memory_used_mb: gpu.memory.used_mb,
      memory_total_mb: gpu.memory.total_mb,
      temperature_celsius: gpu.temperature_celsius,
      power_watts: gpu.power.usage_watts,
      users: usersOf(gpu)?.map((name) => ([UNKNOWN, "…"].includes(name) ? null : name)) ?? null,
    })),
  };
}

// Asks a host; throws the reason if it does not answer.
export async function summaryOf(host) {
  try {
    return checked(await host.ask("summary"), SUMMARY);
  } catch (error) {
    if (error.status !== 404) throw error;
    return older(checked(await host.ask("gpu"), GPUS));
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
