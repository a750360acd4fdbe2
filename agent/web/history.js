// The samples of the last hour: filled from /history, extended by the stream.
// A row is [time, values]. Times are those of performance.now(), which setting the clock does not change.
import { history } from "./answers.js";
import { get } from "./api.js";
import { checked } from "./shape.js";
import { known } from "./texts.js";

const KEPT = 3600_000; // milliseconds
const FINE = 300_000; // milliseconds in which every row is kept; before, one in COARSE: as the agent does
const COARSE = 9000;
const MOMENTS = 1440; // of 24 hours there is one for each minute, of 90 days one for each hour
export const GAP = 10_000; // milliseconds without a row: nothing is known of the time between

// For every GPU: a column of /history, and the same value in an answer of /gpu.
const OF_ALL = [
  ["gpu_utilization", (gpu) => gpu.utilization?.gpu_percent],
  ["memory_used_mb", (gpu) => gpu.memory?.used_mb],
  ["temperature_celsius", (gpu) => gpu.temperature_celsius],
  ["power_watts", (gpu) => gpu.power?.usage_watts],
];
// Only for the GPU in view, and its host.
const OF_ONE = [
  ...OF_ALL,
  ["sm_percent", (gpu) => gpu.detail?.performance?.sm_percent],
  ["tensor_percent", (gpu) => gpu.detail?.performance?.tensor_percent],
  ["graphics_mhz", (gpu) => gpu.clocks?.graphics_mhz],
  ["memory_mhz", (gpu) => gpu.clocks?.memory_mhz],
  ["pcie_tx_mbps", (gpu) => gpu.pcie?.tx_throughput_mbps],
  ["pcie_rx_mbps", (gpu) => gpu.pcie?.rx_throughput_mbps],
  ["fan_speed_percent", (gpu) => gpu.fan_speed_percent],
];
const OF_HOST = [
  ["cpu_percent", (host) => host?.cpu?.cpu_percent],
  ["memory_used_mb", (host) => host?.memory?.used_mb],
];
const COLUMNS = [...OF_ONE, ...OF_HOST];
const names = (columns) => columns.map(([column]) => column);
const FIELDS = [...names(OF_ONE), "host"];
const SHAPE = history(names(OF_ONE), names(OF_HOST));

const all = new Map(); // rows of each GPU
let one = null; // {key, rows}: of the one GPU
let reach = KEPT / 1000; // seconds that an answer of /history can go back
let clock = null; // {at, stamp}: when the newest event came, and the agent's time in it; {offset}: between the two

// An index may mean another GPU after a reboot. /gpu calls it id, /history idx.
const keyOf = ({ uuid, id, idx }) => uuid ?? id ?? idx;

// The rows of one GPU, the oldest first. `stamp`: the agent's time of the newest row.
const none = () => ({ coarse: [], fine: [], stamp: null });
const joined = ({ coarse, fine }) => [...coarse, ...fine];
const newestOf = ({ coarse, fine }) => fine.at(-1) ?? coarse.at(-1);
const unknown = (values) => values.map(() => null);
const isGap = ([, values]) => !values.some(known);
const stores = () => [...all.values(), ...(one ? [one.rows] : [])];

// Whether an older row is kept: the first and last row of a line, and one in COARSE.
function isNeeded(row, before) {
  if (!before || isGap(row) !== isGap(before)) return true;
  return !isGap(row) && row[0] - before[0] >= COARSE;
}

function age(rows, now) {
  const { coarse, fine } = rows;
  while (fine.length && fine[0][0] < now - FINE) {
    const row = fine.shift();
    if (isNeeded(row, coarse.at(-1))) coarse.push(row);
  }
  while (coarse.length && coarse[0][0] < now - KEPT) coarse.shift();
}

// The line ends after its newest row; the next begins another.
function interrupt(rows) {
  const newest = newestOf(rows);
  if (newest && !isGap(newest)) rows.fine.push([newest[0] + 1, unknown(newest[1])]);
}

function append(rows, at, stamp, values) {
  const newest = newestOf(rows);
  if (newest && stamp === rows.stamp) {
    // The same sample again: a new connection starts with it, and an answer with detail has more values of it.
    values.forEach((value, place) => (newest[1][place] = value ?? newest[1][place]));
    return;
  }
  if (newest && at - newest[0] > GAP) interrupt(rows);
  rows.fine.push([at, values]);
  rows.stamp = stamp;
  age(rows, at);
}

const valuesOf = (columns, source) => columns.map(([, read]) => read(source) ?? null);

// An event of the stream, or an answer of /gpu?detail=1, that came at this moment.
export function add(event, at = performance.now()) {
  const stamp = Date.parse(event.timestamp);
  const offset = stamp - at;
  const isSet = clock && Math.abs(stamp - clock.stamp - (at - clock.at)) > GAP;
  if (isSet) stores().forEach(interrupt); // the agent's clock, or this computer slept
  // Stamps are whole seconds and arrive late: the greatest is the nearest.
  clock = { at, stamp, offset: clock && !isSet ? Math.max(clock.offset, offset) : offset };
  for (const gpu of event.gpus) {
    const key = keyOf(gpu);
    if (!all.has(key)) all.set(key, none());
    append(all.get(key), at, stamp, valuesOf(OF_ALL, gpu));
    if (one?.key !== key || !gpu.detail) continue; // in an event of the stream most of it would be missing
    append(one.rows, at, stamp, [...valuesOf(OF_ONE, gpu), ...valuesOf(OF_HOST, event.system_info)]);
  }
}

// Replaces kept rows by those of the agent for the same time.
function fill(rows, moments, columns) {
  const values = moments.map((_, row) => columns.map((column) => column?.[row] ?? null));
  const mine = joined(rows);
  const before = { ...none(), fine: mine.filter(([at]) => at < moments[0]) };
  interrupt(before); // the agent forgets it when it restarts
  const after = mine.filter(([at]) => at > moments.at(-1));
  rows.coarse = [];
  rows.fine = [...before.fine, ...moments.map((at, row) => [at, values[row]]), ...after];
  age(rows, performance.now());
}

// The newest time of an answer is its arrival, because the agent takes a sample for it.
function momentsOf(ts) {
  const offset = performance.now() - ts.at(-1);
  return ts.map((at) => at + offset);
}

export async function load(signal) {
  const { ts, devices } = checked(await get("history", signal), SHAPE);
  if (!ts.length) return;
  const moments = momentsOf(ts);
  for (const device of devices) {
    const key = keyOf(device);
    if (!all.has(key)) all.set(key, none());
    fill(all.get(key), moments, OF_ALL.map(([column]) => device[column]));
  }
}

// Keeps more values of this GPU from now on, and of no other.
export async function follow(gpu, signal) {
  const key = keyOf(gpu);
  if (one?.key !== key) {
    const rest = [...OF_ONE.slice(OF_ALL.length), ...OF_HOST];
    const known = joined(all.get(key) ?? none());
    one = { key, rows: { ...none(), fine: known.map(([at, values]) => [at, [...values, ...unknown(rest)]]) } };
  }
  const { rows } = one;
  const { ts, columns } = await remembered(gpu, signal);
  if (ts.length) fill(rows, momentsOf(ts), columns);
}

// The columns of one GPU and of its host, in the order of PLACES.
async function remembered(gpu, signal, seconds) {
  const since = seconds ? `&seconds=${seconds}` : "";
  const { ts, devices, host, ...rest } = checked(await get(`history?idx=${gpu.id}&fields=${FIELDS}${since}`, signal), SHAPE);
  reach = rest.longest_seconds ?? KEPT / 1000;
  const columns = [...OF_ONE.map(([column]) => devices[0]?.[column]), ...OF_HOST.map(([column]) => host?.[column])];
  return { ts, columns };
}

// The longest range, in minutes, for which the agent has values.
export const longest = () => reach / 60;

let past = null; // {key, minutes, asked, rows}: of the one GPU, for longer than an hour

// Reads the longer history of this GPU; again only when there may be new values.
export async function loadPast(gpu, minutes, signal) {
  const key = keyOf(gpu);
  const now = performance.now();
  if (past?.key === key && past.minutes === minutes && now - past.asked < minutes * 60_000 / MOMENTS) return;
  const { ts, columns } = await remembered(gpu, signal, minutes * 60);
  const rows = ts.map((at, row) => [at - timeOf(0), columns.map((column) => column?.[row] ?? null)]);
  past = { key, minutes, asked: now, rows };
}

// The rows of these minutes, which `loadPast` read.
export const loadedPast = (gpu, minutes) => (past?.key === keyOf(gpu) && past.minutes === minutes ? past.rows : []);

// The rows of a GPU in the last milliseconds that are there, the oldest first.
export function recent(gpu, span = KEPT) {
  const rows = joined(all.get(keyOf(gpu)) ?? none());
  const since = (rows.at(-1)?.[0] ?? 0) - span;
  return rows.filter(([at]) => at >= since);
}

// The rows of the GPU that is followed; PLACES says where a value stands in them.
export const followed = (gpu) => (one?.key === keyOf(gpu) ? joined(one.rows) : []);
export const PLACES = Object.fromEntries(
  [...OF_ONE, ...OF_HOST.map(([column]) => [`host_${column}`])].map(([column], place) => [column, place]),
);

// The time by the agent's present clock; milliseconds since the epoch.
export const timeOf = (at) => at + (clock?.offset ?? Date.now() - performance.now());
