// Charts over the last minutes, with ticks, least, mean and most, and one time cursor over all of them.
import { element, line, show } from "./draw.js";
import { TEXTS, UNKNOWN, duration, known } from "./texts.js";

export const RANGES = { 5: 60, 15: 300, 60: 900 }; // minutes of a chart: seconds from one tick to the next
const STEPS = { 5: 2, 15: 5, 60: 20 }; // seconds of one step of the cursor by keys
const HEIGHT = 96; // pixels of the plot
const FOOT = 16; // below it, for the times
const NEAR = 10_000; // milliseconds after its newest row in which a value is still that of the moment
const MOST_TICKS = 4;

const time = new Intl.DateTimeFormat([], { timeStyle: "medium" });
const minute = new Intl.DateTimeFormat([], { timeStyle: "short" });

// Round values from 0 up to `top`, in steps of 1, 2 or 5 times a power of ten of this unit.
export function valueTicks(top, unit = 1) {
  const power = 10 ** Math.floor(Math.log10(top / unit / MOST_TICKS));
  const step = [1, 2, 5, 10].map((one) => one * power).find((one) => top / unit / one <= MOST_TICKS) * unit;
  return Array.from({ length: Math.floor(top / step + 1e-9) + 1 }, (_, count) => count * step);
}

// The round times in a chart that ends at `end` by the clock, milliseconds.
export function timeTicks(end, minutes) {
  const step = RANGES[minutes] * 1000;
  const last = Math.floor(end / step) * step;
  const count = Math.floor((last - (end - minutes * 60_000)) / step) + 1;
  return Array.from({ length: count }, (_, before) => last - before * step).reverse();
}

// Least, mean and most of a value in these rows; each counts for as long as it was the newest.
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

// The row of a moment; null: nothing is known of it.
export function rowAt(rows, moment) {
  const next = rows.findIndex(([at]) => at > moment);
  const before = rows[(next < 0 ? rows.length : next) - 1];
  const after = next < 0 ? null : rows[next];
  const isKnown = (row) => row && row[1].some(known);
  if (!before) return isKnown(after) && after[0] - moment < NEAR ? after : null;
  if (!isKnown(before)) return null;
  if (!after) return moment - before[0] < NEAR ? before : null;
  return isKnown(after) && after[0] - moment < moment - before[0] ? after : before;
}

let cursor = null; // the moment that somebody points at; null: now
let isFollowing = false; // whether the mouse moved it there last, and takes it along
let drawn = null; // {place, charts, rows, minutes, now, timeOf}: what was drawn last

const percent = (share) => `${(100 * share).toFixed(2)}%`;

function plot({ top, write, unit, lines }, rows, label) {
  const { minutes, now, timeOf } = drawn;
  const span = minutes * 60_000;
  const begin = now - span;
  const highest = top ?? Math.max(MOST_TICKS, ...lines.flatMap(({ place }) => spread(rows, place)?.most ?? []));
  const height = (value) => Math.round(HEIGHT - 1 - (HEIGHT - 2) * Math.min(1, value / highest));
  const levels = valueTicks(highest, unit?.(highest)).slice(1);
  const times = timeTicks(timeOf(now), minutes).map((at) => [at, (at - timeOf(begin)) / span]);
  const curves = lines.map(({ place }) => {
    const curve = line(rows, place, highest, HEIGHT, { begin, span });
    curve.setAttribute("height", HEIGHT);
    return curve;
  });
  return element(
    "svg.plot",
    { role: "img", "aria-label": label },
    levels.map((value) => element("line.grid", { x1: 0, x2: "100%", y1: height(value), y2: height(value) })),
    times.map(([, x]) => element("line.grid", { x1: percent(x), x2: percent(x), y1: 0, y2: HEIGHT + 3 })),
    curves,
    levels.map((value) => element("text", { x: 3, y: Math.max(10, height(value) + 11) }, write(value).replace(/\.0\b/, ""))),
    times.map(([at, x]) => atFoot("tick", x, minute.format(at))),
    marks(lines, rows, height),
  );
}

// A time below the plot, within its width.
function atFoot(name, x, text) {
  const anchor = x < 0.1 ? "start" : x > 0.9 ? "end" : "middle";
  return element(`text.${name}`, { x: percent(x), y: HEIGHT + FOOT - 3, "text-anchor": anchor }, text);
}

// The cursor, and a dot where it meets each line.
function marks(lines, rows, height) {
  if (cursor === null) return [];
  const { now, minutes, timeOf } = drawn;
  const row = rowAt(rows, cursor);
  const at = row?.[0] ?? cursor;
  const share = 1 - (now - at) / (minutes * 60_000);
  const x = percent(share);
  const values = lines.map(({ place }) => row?.[1][place]).filter(known);
  return [
    element("line.cursor", { x1: x, x2: x, y1: 0, y2: HEIGHT }),
    values.map((value) => element("circle", { cx: x, cy: height(value), r: 3 })),
    atFoot("moment", share, time.format(timeOf(at))),
  ];
}

// The value at the cursor, else that of now.
function valueOf({ write }, { place, now, why }, rows) {
  if (cursor !== null) return write(rowAt(rows, cursor)?.[1][place]);
  return known(now) || !known(why) ? write(now) : TEXTS.errorOf(why);
}

function chart(spec, rows) {
  const { name, write, lines } = spec;
  const title = TEXTS.charts[name];
  const parts = lines.map((one) => {
    const range = spread(rows, one.place);
    return {
      name: one.name ? TEXTS.lines[one.name] : null,
      value: valueOf(spec, one, rows),
      range: range && TEXTS.spread(...[range.least, range.mean, range.most].map(write)),
    };
  });
  const label = parts.map((one) => [one.name, one.value, one.range].filter(known).join(" ")).join("; ");
  const values = parts.map((one) =>
    element("span.part", {}, one.name ? element("small", {}, one.name, " ") : null, element("span.value", {}, one.value)),
  );
  const ranges = parts.map((one) => [one.name, one.range ?? UNKNOWN].filter(known).join(" "));
  return element(
    "figure",
    { class: `chart measure ${name}` },
    element(
      "figcaption",
      {},
      element("div.now", {}, element("span.name", {}, title), values),
      element("p.spread", {}, ranges.join("; ")),
    ),
    plot(spec, rows, `${title}: ${label}`),
  );
}

// The times: which range is shown, and the cursor for those who move it by keys or by the thumb.
function bar(rows) {
  const { charts, minutes, now, newest, timeOf } = drawn;
  const moment = cursor === null ? null : rowAt(rows, cursor)?.[0] ?? cursor;
  const clockTime = moment === null ? newest : time.format(timeOf(moment));
  const ago = moment === null ? "" : TEXTS.ago(duration((now - moment) / 1000));
  const told = charts.flatMap((spec) =>
    spec.lines.map((one) =>
      [TEXTS.charts[spec.name], TEXTS.lines[one.name], valueOf(spec, one, rows)].filter(Boolean).join(" ")),
  );
  const choices = Object.keys(RANGES).map((choice) =>
    element(
      "button",
      { type: "button", "data-minutes": choice, "aria-pressed": `${Number(choice) === minutes}` },
      TEXTS.minutes(choice),
    ),
  );
  return element(
    "div.chart-bar",
    {},
    element("div.ranges", { role: "group", "aria-label": TEXTS.chartRanges }, choices),
    element("input.time", {
      type: "range",
      min: -minutes * 60,
      max: 0,
      step: STEPS[minutes],
      "aria-label": TEXTS.cursor,
      "aria-valuetext": [`${clockTime}:`, told.join(", ")].join(" "),
    }),
    element("span.moment", {}, clockTime, " ", element("small", {}, ago)),
  );
}

function draw() {
  const { place, charts, minutes, now } = drawn;
  const begin = now - minutes * 60_000;
  if (cursor !== null && cursor < begin) cursor = null; // the moment has left the charts
  const rows = drawn.rows.filter(([at]) => at >= begin);
  show(place, bar(rows), element("div.charts", {}, charts.map((spec) => chart(spec, rows))));
  // The attribute says only where it begins.
  place.querySelector("input").value = cursor === null ? 0 : (cursor - now) / 1000;
}

function move(to) {
  if (cursor === to) return;
  cursor = to;
  draw();
}

function pointed(event) {
  const area = event.target.closest("svg.plot");
  const isMouse = event.pointerType === "mouse";
  if (!area && isMouse && isFollowing && !event.target.closest("figure")) return move(null);
  if (!area) return;
  isFollowing = isMouse;
  const { left, width } = area.getBoundingClientRect();
  const share = Math.min(1, Math.max(0, (event.clientX - left) / width));
  move(drawn.now - (1 - share) * drawn.minutes * 60_000);
}

function listen(place) {
  place.addEventListener("pointermove", pointed);
  place.addEventListener("pointerdown", (event) => {
    if (event.target.closest("svg.plot")) pointed(event);
    else if (event.target.closest("figure")) move(null);
  });
  // What a finger pointed at stays when it is lifted.
  place.addEventListener("pointerleave", () => isFollowing && move(null));
  place.addEventListener("input", ({ target }) => {
    isFollowing = false;
    move(target.value < 0 ? drawn.now + target.value * 1000 : null);
  });
  place.addEventListener("click", ({ target }) => {
    const { minutes } = target.closest("button")?.dataset ?? {};
    if (minutes) drawn.choose(Number(minutes));
  });
  place.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || cursor === null) return;
    event.stopPropagation();
    move(null);
  });
}

const listening = new WeakSet(); // places

// `charts`: [{name, top, unit, write, lines: [{name, place, now, why}]}]. `top` is null where there is no limit;
// ticks are round in the unit of that top; `place` is that of a value in `rows`, see history.js. `minutes`: one of
// RANGES; `choose` is called with another. `newest`: what is said of the newest values in the place of a time.
export function render(place, shown) {
  drawn = { place, ...shown };
  if (!listening.has(place)) {
    listening.add(place);
    listen(place);
  }
  draw();
}
