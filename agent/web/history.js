// What was measured, by GPU: filled from /history at load, kept up by the stream.
import { get } from "./api.js";

const KEEP = 3600_000;
export const SHORT = 300_000;
export const MEASURES = ["utilization", "memory", "temperature", "power"];

const series = new Map(); // by uuid: [milliseconds, values in the order of MEASURES]

export async function load(signal) {
  const history = await get("history", signal).catch(() => ({ ts: [], devices: [] }));
  for (const device of history.devices) {
    const rows = history.ts.map((at, row) => [
      at,
      [device.gpu_utilization[row], device.memory_used_mb[row], device.temperature_celsius[row], device.power_watts[row]],
    ]);
    series.set(device.uuid, rows);
  }
}

export function add(at, gpu) {
  const rows = series.get(gpu.uuid) ?? [];
  if (rows.length && rows[rows.length - 1][0] >= at) return;
  rows.push([at, [gpu.utilization.gpu_percent, gpu.memory.used_mb, gpu.temperature_celsius, gpu.power.usage_watts]]);
  while (rows[0][0] < at - KEEP) rows.shift();
  series.set(gpu.uuid, rows);
}

export function points(uuid, measure, span) {
  const rows = series.get(uuid) ?? [];
  const since = rows.length ? rows[rows.length - 1][0] - span : 0;
  return rows.filter(([at]) => at >= since).map(([at, values]) => [at, values[measure]]);
}
