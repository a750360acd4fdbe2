// Calculations for charts: ticks, minimum, mean and maximum, and the values at a time.
import { known } from "./texts.js";

export const MOST_TICKS = 4;
const TICKS = { 5: 120, 15: 300, 60: 1200, 1440: 21_600 }; // minutes of a chart: seconds from one tick to the next

// Round values from 0 up to `top`, in steps of 1, 2 or 5 times a power of ten of this unit.
export function valueTicks(top, unit = 1) {
  const power = 10 ** Math.floor(Math.log10(top / unit / MOST_TICKS));
  const step = [1, 2, 5, 10].map((one) => one * power).find((one) => top / unit / one <= MOST_TICKS) * unit;
  return Array.from({ length: Math.floor(top / step + 1e-9) + 1 }, (_, count) => count * step);
}

// The round times in a chart that ends at `end` by the clock, milliseconds; in the longest the first of each month.
export function timeTicks(end, minutes) {
  const begin = end - minutes * 60_000;
  const step = TICKS[minutes] * 1000;
  const times = [];
  if (!step) {
    const month = new Date(new Date(end).setHours(0, 0, 0, 0));
    for (month.setDate(1); month >= begin; month.setMonth(month.getMonth() - 1)) times.unshift(month.getTime());
    return times;
  }
  const offset = new Date(end).getTimezoneOffset() * 60_000; // round is what a clock on the wall shows
  for (let at = Math.floor((end - offset) / step) * step + offset; at >= begin; at -= step) times.unshift(at);
  return times;
}

// Minimum, mean and maximum of a value in these rows; each row is weighted by the time until the next one.
export function spread(rows, place) {
  let [least, most, sum, weights] = [Infinity, -Infinity, 0, 0];
  rows.forEach(([at, values], row) => {
    const value = values[place];
    if (!known(value)) return;
    const weight = (rows[row + 1]?.[0] ?? at + 1) - at;
    least = Math.min(least, value);
    most = Math.max(most, value);
    sum += value * weight;
    weights += weight;
  });
  return weights ? { least, mean: sum / weights, most } : null;
}

// The row at a time; null: nothing is known. `near`: milliseconds for which the newest row is still valid.
export function rowAt(rows, moment, near = 10_000) {
  const next = rows.findIndex(([at]) => at > moment);
  const before = rows[(next < 0 ? rows.length : next) - 1];
  const after = next < 0 ? null : rows[next];
  const isKnown = (row) => row && row[1].some(known);
  if (!before) return isKnown(after) && after[0] - moment < near ? after : null;
  if (!isKnown(before)) return null;
  if (!after) return moment - before[0] < near ? before : null;
  return isKnown(after) && after[0] - moment < moment - before[0] ? after : before;
}
