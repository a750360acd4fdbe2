// Charts over time, with ticks, minimum, mean and maximum, and one time cursor for all of them.
import { element, line, show, update } from "./draw.js";
import { MOST_TICKS, rowAt, spread, timeTicks, valueTicks } from "./scale.js";
import { TEXTS, UNKNOWN, duration, known } from "./texts.js";
import { WORDS } from "./words.js";

const format = (options) => new Intl.DateTimeFormat([], options);
const SHORT = { tick: format({ timeStyle: "short" }), moment: format({ timeStyle: "medium" }), near: 10_000 };
const WEEKDAY = { weekday: "short", hour: "2-digit", minute: "2-digit" };
const DATE = { month: "short", day: "numeric" };
// By the minutes of a chart: seconds of one step of the cursor by keys; how times are written, below the plot and at
// the cursor; milliseconds after the newest row in which its values are still those of the moment.
const RANGES = {
  5: { ...SHORT, step: 2 },
  15: { ...SHORT, step: 5 },
  60: { ...SHORT, step: 20 },
  1440: { ...SHORT, step: 300, moment: format(WEEKDAY), near: 120_000 },
  129600: { step: 6 * 3600, tick: format(DATE), moment: format({ ...DATE, hour: "2-digit", minute: "2-digit" }), near: 7200_000 },
};
const HEIGHT = 96; // pixels of the plot
const FOOT = 16; // below it, for the times
const STEPS_OF_A_LINE = 150; // lines are drawn anew when they have moved by this part of their width

let cursor = null; // the moment that somebody points at; null: now
let isFollowing = false; // whether the mouse moved it there last, and takes it along
let drawn = null; // what is drawn: all that `render` was given
let plotted = null; // {end, tops, signature}: the moment at the right, the top of each chart; what they are plots of

const written = (at) => RANGES[drawn.minutes].moment.format(drawn.timeOf(at));
const row = (rows, at) => rowAt(rows, at, RANGES[drawn.minutes].near);
const percent = (share) => `${(100 * share).toFixed(2)}%`;
const shareOf = (at) => 1 - (plotted.end - at) / (drawn.minutes * 60_000); // of the width

// The maximum of the data, if the value has no limit.
function topOf({ top, lines }, rows) {
  return top ?? Math.max(MOST_TICKS, ...lines.flatMap(({ place }) => spread(rows, place)?.most ?? []));
}

const heightOf = (value, top) => Math.round(HEIGHT - 1 - (HEIGHT - 2) * Math.min(1, value / top));

function plot({ write, unit, lines }, top, rows) {
  const { minutes, timeOf } = drawn;
  const span = minutes * 60_000;
  const begin = plotted.end - span;
  const levels = valueTicks(top, unit?.(top)).slice(1).map((value) => [value, heightOf(value, top)]);
  const times = timeTicks(timeOf(plotted.end), minutes).map((at) => [at, (at - timeOf(begin)) / span]);
  const curves = lines.map(({ place }) => {
    const curve = line(rows, place, top, HEIGHT, { begin, span });
    curve.setAttribute("height", HEIGHT);
    return curve;
  });
  return [
    levels.map(([, y]) => element("line.grid", { x1: 0, x2: "100%", y1: y, y2: y })),
    times.map(([, x]) => element("line.grid", { x1: percent(x), x2: percent(x), y1: 0, y2: HEIGHT + 3 })),
    curves,
    levels.map(([value, y]) => element("text", { x: 3, y: Math.max(10, y + 11) }, write(value).replace(/\.0\b/, ""))),
    times.map(([at, x]) => atFoot("tick", x, RANGES[minutes].tick.format(at))),
  ].flat();
}

// A time below the plot, within its width.
function atFoot(name, x, text) {
  const anchor = x < 0.1 ? "start" : x > 0.9 ? "end" : "middle";
  return element(`text.${name}`, { x: percent(x), y: HEIGHT + FOOT - 3, "text-anchor": anchor }, text);
}

// The cursor, and a dot where it meets each line.
function marks({ lines }, top, rows) {
  if (cursor === null) return element("g");
  const met = row(rows, cursor);
  const at = met?.[0] ?? cursor;
  const share = shareOf(at);
  const x = percent(share);
  const values = lines.map(({ place }) => met?.[1][place]).filter(known);
  return element(
    "g",
    {},
    element("line.cursor", { x1: x, x2: x, y1: 0, y2: HEIGHT }),
    values.map((value) => element("circle", { cx: x, cy: heightOf(value, top), r: 3 })),
    atFoot("moment", share, written(at)),
  );
}

// The value at the cursor, else the present one.
function valueOf({ write }, { place, now, why }, rows) {
  if (cursor !== null) return write(row(rows, cursor)?.[1][place]);
  return known(now) || !known(why) ? write(now) : TEXTS.errorOf(why);
}

// Minimum, maximum and mean; a common unit is written once.
function shortened(values) {
  const units = new Set(values.map((value) => value.split("\u00a0")[1]));
  return units.size > 1 ? values : values.map((value, which) => (which === 1 ? value : value.split("\u00a0")[0]));
}

// The text above a chart, which screen readers read.
function told(spec, rows) {
  const title = WORDS.charts[spec.name];
  const parts = spec.lines.map((one) => {
    const range = spread(rows, one.place);
    const text = range ? WORDS.spread(...shortened([range.least, range.most, range.mean].map(spec.write))) : UNKNOWN;
    return { name: WORDS.lines[one.name], value: valueOf(spec, one, rows), text };
  });
  const values = parts.map(({ name, value }) =>
    element("span.part", {}, name ? element("small", {}, name, " ") : null, element("span.value", {}, value)),
  );
  const joined = (...texts) => texts.filter(known).join(" ");
  return {
    caption: element(
      "figcaption",
      {},
      element("div.now", {}, element("span.name", {}, title), values),
      element("p.spread", {}, parts.map(({ name, text }) => joined(name, text)).join("; ")),
    ),
    label: `${title}: ${parts.map(({ name, value, text }) => joined(name, value, text)).join("; ")}`,
  };
}

function chart(spec, place, rows) {
  const top = plotted.tops[place];
  const { caption, label } = told(spec, rows);
  const drawing = [plot(spec, top, rows), marks(spec, top, rows)];
  const svg = element("svg.plot", { role: "img", "aria-label": label }, drawing.flat());
  return element("figure", { class: `chart measure ${spec.name}` }, caption, svg);
}

// Lines that would look the same are not drawn again: drawing them is most of the work.
function retold(figure, spec, place, rows) {
  const [caption, svg] = figure.children;
  const wanted = told(spec, rows);
  update(caption, wanted.caption);
  svg.setAttribute("aria-label", wanted.label);
  update(svg.lastElementChild, marks(spec, plotted.tops[place], rows));
}

// The time controls: the range, and the cursor for keyboard and touch.
function bar(rows) {
  const { charts, minutes, longest, now, newest } = drawn;
  const moment = cursor === null ? null : row(rows, cursor)?.[0] ?? cursor;
  const clockTime = moment === null ? newest : written(moment);
  const ago = moment === null ? "" : WORDS.ago(duration((now - moment) / 1000));
  const values = charts.flatMap((spec) =>
    spec.lines.map((one) =>
      [WORDS.charts[spec.name], WORDS.lines[one.name], valueOf(spec, one, rows)].filter(Boolean).join(" ")),
  );
  const choices = Object.keys(RANGES).filter((choice) => choice <= longest).map((choice) =>
    element(
      "button",
      { type: "button", "data-minutes": choice, "aria-pressed": `${Number(choice) === minutes}` },
      WORDS.span(choice),
    ),
  );
  return element(
    "div.chart-bar",
    {},
    element("div.ranges", { role: "group", "aria-label": WORDS.chartRanges }, choices),
    element("input.time", {
      type: "range",
      min: -minutes * 60,
      max: 0,
      step: RANGES[minutes].step,
      "aria-label": WORDS.cursor,
      "aria-valuetext": [`${clockTime}:`, values.join(", ")].join(" "),
    }),
    element("span.moment", {}, clockTime, " ", element("small", {}, ago)),
  );
}

function draw() {
  const { place, charts, minutes, now, key } = drawn;
  const span = minutes * 60_000;
  if (cursor !== null && cursor < now - span) cursor = null; // the moment has left the charts
  const rows = drawn.rows.filter(([at]) => at >= now - span);
  const names = charts.map(({ name, lines }) => [name, lines.length]);
  const signature = `${[key, minutes, names, drawn.rows[0]?.[0]]}`;
  const isSame = plotted?.signature === signature && now - plotted.end < span / STEPS_OF_A_LINE;
  if (!isSame) plotted = { end: now, tops: charts.map((spec) => topOf(spec, rows)), signature };
  if (!place.firstChild) place.append(element("div"), element("div.charts"));
  const [times, area] = place.children;
  update(times, bar(rows));
  if (isSame) charts.forEach((spec, which) => retold(area.children[which], spec, which, rows));
  else show(area, ...charts.map((spec, which) => chart(spec, which, rows)));
  // The attribute holds only the initial value.
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
  move(plotted.end - (1 - share) * drawn.minutes * 60_000);
}

function listen(place) {
  place.addEventListener("pointermove", pointed);
  place.addEventListener("pointerdown", (event) => {
    if (event.target.closest("svg.plot")) pointed(event);
    else if (event.target.closest("figure")) move(null);
  });
  // The cursor stays when the finger is lifted.
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
// RANGES, up to `longest`; `choose` is called with another. `key` is another for another GPU. `newest`: what is said of
// the newest values instead of a time.
export function render(place, shown) {
  drawn = { place, ...shown };
  if (!listening.has(place)) {
    listening.add(place);
    listen(place);
  }
  draw();
}
