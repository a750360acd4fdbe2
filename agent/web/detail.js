// All that is known of one GPU, with charts over the whole history.
import { get, worded } from "./api.js";
import { badge, failure, failureIn, measures, model } from "./cards.js";
import { element, facts, headings, line, period, show, told } from "./draw.js";
import { recent } from "./history.js";
import { TEXTS, UNKNOWN, known, label, written } from "./texts.js";

const HEIGHT = 100;

const isGroup = (value) => known(value) && typeof value === "object" && !Array.isArray(value);
const isTable = (value) => Array.isArray(value) && typeof value[0] === "object";

function table(rows) {
  const names = Object.keys(rows[0]);
  // A table within a table would not fit: it is counted.
  const text = (name, value) => (isTable(value) ? `${value.length}` : written(name, value));
  const row = (values) => element("tr", {}, names.map((name) => element("td", {}, text(name, values[name]))));
  const head = element("thead", {}, element("tr", {}, headings(names.map(label))));
  const body = element("tbody", {}, rows.map(row));
  // With the focus on it, the keyboard scrolls it.
  return element("div.scroll", { tabindex: "0" }, element("table", {}, head, body));
}

// A group within a group is written on its lines: "Banks all". `whyNot` is of the field at a path.
function pairs(group, whyNot, path = []) {
  return Object.entries(group).flatMap(([name, value]) => {
    const here = [...path, name];
    if (isGroup(value)) return pairs(value, whyNot, here);
    return [[label(here.join("_")), told(written(name, value), whyNot(here.join(".")))]];
  });
}

function section(name, value, whyNot = () => null) {
  const content = isTable(value) ? table(value) : element("dl.facts", {}, facts(pairs(value, whyNot)));
  const heading = element("h3", {}, TEXTS.sections[name] ?? label(name));
  return element("section", { class: isTable(value) && "wide" }, heading, content);
}

// Why the driver failed to tell a field, which stands in the plain answer or in `detail`.
const whyNot = (gpu, path) => failure(gpu, path) ?? failureIn(gpu.detail.failed, `detail.${path}`);

// All that the answer says: what is wrong, lone values, groups, tables.
function sections(gpu, topology) {
  const { findings, ...detail } = gpu.detail;
  // Memory, power, clocks and PCIe stand in both, each with other values.
  const memory = { ...gpu.memory, ...detail.memory };
  const power = { ...gpu.power, ...detail.power };
  const clocks = { ...gpu.clocks, ...detail.clocks };
  const pcie = { ...gpu.pcie, ...detail.pcie };
  const all = { ...gpu, ...detail, memory, power, clocks, pcie };
  // The title and the findings tell these.
  for (const name of ["id", "name", "error", "health", "detail", "failed", "unknown"]) delete all[name];
  const entries = Object.entries(all);
  const sectionsOf = (isKind) =>
    entries
      .filter(([, value]) => isKind(value))
      .map(([name, value]) => section(name, value, (path) => whyNot(gpu, `${name}.${path}`)));
  const alone = entries.filter(([, value]) => !isGroup(value) && !isTable(value));
  const links = (topology?.[gpu.id] ?? [])
    .map((link, other) => [TEXTS.gpu(other), link ?? UNKNOWN])
    .filter(([, link]) => link !== "X"); // the GPU itself, as nvidia-smi writes it
  return [
    ...(findings.length ? [section("findings", findings)] : []),
    section("general", Object.fromEntries(alone), (name) => whyNot(gpu, name)),
    ...sectionsOf(isGroup),
    ...(links.length ? [section("topology", Object.fromEntries(links))] : []),
    ...sectionsOf(isTable),
  ];
}

let pointed = { place: null, share: 0 }; // the chart that somebody points at, and at which part of its width

// What stands above a chart: the value of the time pointed at, else the present one and the range.
function readout({ now, why, write }, place, rows) {
  if (pointed.place === place && rows.length) {
    const { begin, span } = period(rows);
    const wanted = begin + pointed.share * span;
    const away = ([at]) => Math.abs(at - wanted);
    const [moment, values] = rows.reduce((nearest, row) => (away(row) < away(nearest) ? row : nearest));
    return TEXTS.atTime(write(values[place]), new Date(moment).toLocaleTimeString());
  }
  const values = rows.map(([, all]) => all[place]).filter(known);
  const present = known(now) || !known(why) ? write(now) : TEXTS.errorOf(why);
  return values.length ? TEXTS.range(present, write(Math.min(...values)), write(Math.max(...values))) : present;
}

// The chart of one measure over the whole history.
function chart(measure, place, rows) {
  const { name, top, write } = measure;
  const text = readout(measure, place, rows);
  const drawn = line(rows, place, top, HEIGHT);
  drawn.removeAttribute("aria-hidden"); // on a card the number beside the line says it; here the range is told too
  drawn.setAttribute("role", "img");
  drawn.setAttribute("aria-label", `${TEXTS.measures[name]}: ${text}`);
  const minutes = Math.round(period(rows).span / 60_000);
  const axis = [TEXTS.ago(minutes), known(top) ? TEXTS.scale(write(top)) : "", TEXTS.now];
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
  const place = figure ? [...figure.parentNode.children].indexOf(figure) : null;
  pointed = { place, share: (event.clientX - left) / width };
  if (!gpu) return;
  const rows = recent(gpu);
  const shown = measures(gpu);
  part("#charts").querySelectorAll(".value").forEach((value, position) => {
    value.textContent = readout(shown[position], position, rows);
  });
}

// Asks again, if a GPU is shown.
export async function look(signal) {
  if (!dialog?.open || asking === index) return; // events come faster than a slow agent answers
  const wanted = (asking = index);
  try {
    const answer = await get(`gpu?detail=1&idx=${wanted}`, signal);
    if (wanted !== index) return; // another one was opened meanwhile
    [gpu] = answer.gpus;
    const rows = recent(gpu);
    show(part("#detail-title"), element("span", {}, `${TEXTS.gpu(index)} · ${model(gpu)}`), badge(gpu));
    show(part("#charts"), ...measures(gpu).map((one, place) => chart(one, place, rows)));
    const reason = element("p.reason", {}, gpu.error ?? "");
    show(part("#facts"), reason, element("div.sections", {}, sections(gpu, answer.topology)));
  } catch (error) {
    if (!signal.aborted && wanted === index) empty(worded(error));
  } finally {
    if (asking === wanted) asking = null;
  }
}

// Values of another GPU, or of a time before, are not shown as those of this one.
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
