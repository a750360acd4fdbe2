// The /summary of an older agent, out of its /gpu, which has the same values, but not which GPUs are free.
import { GPUS } from "./answers.js";
import { usersOf } from "./model.js";
import { checked } from "./shape.js";
import { UNKNOWN } from "./texts.js";

export function older(answer) {
  const { gpus, simulated = false, health = null, system_info: info } = checked(answer, GPUS);
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
