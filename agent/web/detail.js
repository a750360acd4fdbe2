// All that is known of one GPU, with charts over the whole history.
import { get, worded } from "./api.js";
import { badge, measures, model } from "./cards.js";
import { element, facts, headings, line, period, show } from "./draw.js";
import { recent } from "./history.js";
import { TEXTS, UNKNOWN, known, label, written } from "./texts.js";

const HEIGHT = 100;

const isGroup = (value) => known(value) && typeof value === "object" && !Array.isArray(value);
const isTable = (value) => Array.isArray(value) && typeof value[0] === "object";

function table(rows) {
  const names = Object.keys(rows[0]);
  const row = (values) => element("tr", {}, names.map((name) => element("td", {}, isTable(values[name]) ? `${values[name].length}` : written(name, values[name]))));
  const made = element("table", {}, element("thead", {}, element("tr", {}, headings(names.map(label)))), element("tbody", {}, rows.map(row)));
  return element("div.scroll", { tabindex: "0" }, made);
}

// A group within a group is written on its lines: "Banks all".
function pairs(group, before = "") {
  return Object.entries(group).flatMap(([name, value]) =>
    isGroup(value) ? pairs(value, `${before}${name}_`) : [[label(before + name), written(name, value)]],
  );
}

function section(name, value) {
  const content = isTable(value) ? table(value) : element("dl.facts", {}, facts(pairs(value)));
  return element("section", { class: isTable(value) && "wide" }, element("h3", {}, TEXTS.sections[name] ?? label(name)), content);
}

// All that the answer says: what is wrong, lone values, groups, tables.
function sections(gpu, topology) {
  const { findings, ...detail } = gpu.detail;
  const all = { ...gpu, ...detail, power: { ...gpu.power, ...detail.power }, clocks: { ...gpu.clocks, ...detail.clocks } };
  for (const name of ["id", "name", "error", "health", "detail"]) delete all[name];
  const unread = gpu.status === "unavailable"; // then an empty list says nothing
  const entries = Object.entries(all).map(([name, value]) => [name, unread && value?.length === 0 ? null : value]);
  const of = (kind) => entries.filter(([, value]) => kind(value)).map(([name, value]) => section(name, value));
  const alone = entries.filter(([, value]) => !isGroup(value) && !isTable(value));
  const links = (topology?.[gpu.id] ?? []).map((link, other) => [TEXTS.gpu(other), link ?? UNKNOWN]).filter(([, link]) => link !== "X");
  return [
    ...(findings.length ? [section("findings", findings)] : []),
    section("general", Object.fromEntries(alone)),
    ...of(isGroup),
    ...(links.length ? [section("topology", Object.fromEntries(links))] : []),
    ...of(isTable),
  ];
}

let pointed = { place: null, share: 0 }; // the chart that somebody points at, and at which part of its width

// What stands above a chart: the value of the time pointed at, else the present one and the range.
function readout({ now, write }, place, rows) {
  if (pointed.place === place && rows.length) {
    const { begin, span } = period(rows);
    const at = begin + pointed.share * span;
    const [moment, values] = rows.reduce((best, row) => (Math.abs(row[0] - at) < Math.abs(best[0] - at) ? row : best));
    return TEXTS.atTime(write(values[place]), new Date(moment).toLocaleTimeString());
  }
  const values = rows.map(([, all]) => all[place]).filter(known);
  return values.length ? TEXTS.range(write(now), write(Math.min(...values)), write(Math.max(...values))) : write(now);
}

// The chart of one measure over the whole history.
function chart(measure, place, rows) {
  const { name, top, write } = measure;
  const text = readout(measure, place, rows);
  const drawn = line(rows, place, top, HEIGHT);
  drawn.removeAttribute("aria-hidden");
  drawn.setAttribute("role", "img");
  drawn.setAttribute("aria-label", `${TEXTS.measures[name]}: ${text}`);
  const axis = [TEXTS.ago(Math.round(period(rows).span / 60_000)), known(top) ? TEXTS.scale(write(top)) : "", TEXTS.now];
  return element(
    "figure",
    { class: `measure ${name}` },
    element("figcaption", {}, element("span.name", {}, TEXTS.measures[name]), element("span.value", {}, text)),
    drawn,
    element("div.axis", {}, axis.map((one) => element("span", {}, one))),
  );
}

let dialog = null;
let index = null; // of the GPU that is shown
let gpu = null; // its newest values
let asking = null; // the index that is asked for

const part = (name) => dialog.querySelector(name);

function point(event) {
  const figure = event.type === "pointermove" && event.target.closest("figure");
  const { left, width } = figure ? figure.querySelector("svg").getBoundingClientRect() : {};
  pointed = figure ? { place: [...figure.parentNode.children].indexOf(figure), share: (event.clientX - left) / width } : { place: null };
  if (!gpu) return;
  const rows = recent(gpu);
  part("#charts").querySelectorAll(".value").forEach((value, place) => (value.textContent = readout(measures(gpu)[place], place, rows)));
}

// Asks again, if a GPU is shown.
export async function look(signal) {
  if (!dialog?.open || asking === index) return;
  const wanted = (asking = index);
  try {
    const answer = await get(`gpu?detail=1&idx=${wanted}`, signal);
    if (wanted !== index) return; // another one was opened meanwhile
    [gpu] = answer.gpus;
    const rows = recent(gpu);
    show(part("#detail-title"), element("span", {}, `${TEXTS.gpu(index)} · ${model(gpu)}`), badge(gpu));
    show(part("#charts"), ...measures(gpu).map((one, place) => chart(one, place, rows)));
    show(part("#facts"), element("p.reason", {}, gpu.error ?? ""), element("div.sections", {}, sections(gpu, answer.topology)));
  } catch (error) {
    if (!signal.aborted && wanted === index) empty(worded(error));
  } finally {
    if (asking === wanted) asking = null;
  }
}

function empty(why) {
  gpu = null;
  show(part("#detail-title"), element("span", {}, TEXTS.gpu(index)));
  show(part("#charts"));
  show(part("#facts"), element("p.reason", {}, why));
}

export function open(shown, gpuIndex, signal) {
  if (!dialog) {
    dialog = shown;
    for (const type of ["pointermove", "pointerleave"]) part("#charts").addEventListener(type, point);
  }
  if (!dialog.open || index !== gpuIndex) {
    index = gpuIndex;
    empty("");
    if (!dialog.open) dialog.showModal();
  }
  look(signal);
}
