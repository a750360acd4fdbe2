// What was measured, by GPU, filled from /history and kept up by the stream; and the line that shows it.
import { get } from "./api.js";
import { known } from "./texts.js";

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
    const newest = rows.length ? rows[rows.length - 1][0] : 0;
    series.set(device.uuid, [...rows, ...(series.get(device.uuid) ?? []).filter(([at]) => at > newest)]);
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

// A gap in what is known is a gap in the line.
const SVG = "http://www.w3.org/2000/svg";

export function chart(title, height) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", `0 0 200 ${height}`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", title);
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("vector-effect", "non-scaling-stroke");
  svg.append(path);
  return svg;
}

const SHORTEST = 60_000; // milliseconds: a young history fills the width, a newborn one does not

// `points`: [milliseconds, value or null], the oldest first.
export function draw(svg, points, top) {
  const height = svg.viewBox.baseVal.height;
  const end = points.length ? points[points.length - 1][0] : 0;
  const span = points.length ? Math.max(SHORTEST, end - points[0][0]) : SHORTEST;
  let line = "";
  let pen = "M";
  for (const [at, value] of points) {
    if (!known(value)) {
      pen = "M";
      continue;
    }
    const x = 200 * (1 - (end - at) / span);
    const y = height - 1 - (height - 2) * Math.min(1, value / (top || 1));
    line += `${pen}${x.toFixed(1)} ${y.toFixed(1)}`;
    pen = "L";
  }
  svg.firstChild.setAttribute("d", line || "M0 0");
}
