// What was measured in the last hour, by GPU: filled from /history, kept up by the stream.
import { get } from "./api.js";

const KEPT = 3600_000; // milliseconds
const GAP = 10_000; // milliseconds without an event: nothing is known of the time between

const UNKNOWN = [null, null, null, null]; // a gap in the line

const series = new Map(); // by GPU: rows of [milliseconds, [utilization, memory, temperature, power]]
// An index may mean another GPU after a reboot. /gpu calls it id, /history idx.
const key = ({ uuid, id, idx }) => uuid ?? id ?? idx;

export async function load(signal) {
  const { ts, devices } = await get("history", signal);
  const [first] = ts;
  const last = ts.at(-1);
  if (!last) return;
  for (const device of devices) {
    const rows = ts.map((at, row) => [
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
    // What came while the history was asked for; what is much newer is of a clock that was set back since.
    const newer = mine.filter(([at]) => at > last && at < last + GAP);
    series.set(key(device), [...older, ...rows, ...newer]);
  }
}

// One event of the stream.
export function add(event) {
  const at = Date.parse(event.timestamp);
  for (const gpu of event.gpus) {
    const rows = series.get(key(gpu)) ?? [];
    series.set(key(gpu), rows);
    const newest = rows.at(-1)?.[0] ?? at - 1;
    if (newest > at + GAP) {
      // The agent's clock was set back: the line goes on, and its older rows move back with the clock.
      for (const row of rows) row[0] -= newest - at + 1;
    } else if (newest >= at) {
      continue; // a new connection may begin with the last sample again
    }
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
  const since = (rows.at(-1)?.[0] ?? 0) - span;
  return rows.filter(([at]) => at >= since);
}
