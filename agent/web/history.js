// What was measured in the last hour, by GPU: filled from /history, kept up by the stream.
import { get } from "./api.js";

const KEPT = 3600_000; // milliseconds
const GAP = 10_000; // milliseconds without an event: nothing is known of the time between

const UNKNOWN = [null, null, null, null]; // a gap in the line

const series = new Map(); // by GPU: rows of [milliseconds, [utilization, memory, temperature, power]]
// An index may mean another GPU after a reboot. /gpu calls it id, /history idx.
const key = ({ uuid, id, idx }) => uuid ?? id ?? idx;

export async function load(signal) {
  const history = await get("history", signal);
  if (!history.ts.length) return;
  const [first] = history.ts;
  for (const device of history.devices) {
    const rows = history.ts.map((at, row) => [
      at,
      [
        device.gpu_utilization[row],
        device.memory_used_mb[row],
        device.temperature_celsius[row],
        device.power_watts[row],
      ],
    ]);
    const mine = recent(device);
    const older = mine.filter(([at]) => at < first); // the agent forgets it when it restarts
    if (older.length) older.push([first - 1, UNKNOWN]);
    const newer = mine.filter(([at]) => at > rows[rows.length - 1][0]); // came while the history was asked for
    series.set(key(device), [...older, ...rows, ...newer]);
  }
}

// One event of the stream.
export function add(event) {
  const at = Date.parse(event.timestamp);
  for (const gpu of event.gpus) {
    const rows = series.get(key(gpu)) ?? [];
    series.set(key(gpu), rows);
    const newest = rows.length ? rows[rows.length - 1][0] : at - 1;
    if (newest >= at) continue; // a new connection may begin with the last sample again
    if (at - newest > GAP) rows.push([newest + 1, UNKNOWN]);
    rows.push([
      at,
      [gpu.utilization.gpu_percent, gpu.memory.used_mb, gpu.temperature_celsius, gpu.power.usage_watts],
    ]);
    const old = rows.findIndex(([moment]) => moment >= at - KEPT);
    if (old > 0) rows.splice(0, old);
  }
}

// The rows of a GPU in the last milliseconds that are there, the oldest first.
export function recent(gpu, span = KEPT) {
  const rows = series.get(key(gpu)) ?? [];
  const since = rows.length ? rows[rows.length - 1][0] - span : 0;
  return rows.slice(rows.findIndex(([at]) => at >= since));
}
