// Everything that is known of one GPU, with charts over the whole history.
import { get } from "./api.js";
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
  return element("div", { class: "scroll", tabindex: "0" }, made);
}

// A group within a group is written on its lines: "Banks all".
function pairs(group, before = "") {
  return Object.entries(group).flatMap(([name, value]) =>
    isGroup(value) ? pairs(value, `${before}${name}_`) : [[label(before + name), written(name, value)]],
  );
}

function section(name, value) {
  const content = isTable(value) ? table(value) : element("dl", { class: "facts" }, facts(pairs(value)));
  return element("section", { class: isTable(value) && "wide" }, element("h3", {}, TEXTS.sections[name] ?? label(name)), content);
}

// All that the answer says, in sections: what is wrong, lone values, groups, tables.
function sections(gpu, topology) {
  const { findings, ...detail } = gpu.detail;
  const all = { ...gpu, ...detail, power: { ...gpu.power, ...detail.power }, clocks: { ...gpu.clocks, ...detail.clocks } };
  for (const name of ["id", "name", "health", "detail"]) delete all[name];
  const entries = Object.entries(all);
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

// The chart of one measure over the whole history; `pointed` is the share of its width at which somebody points, or null.
function chart({ name, now, top, write }, place, rows, pointed) {
  const values = rows.map(([, values]) => values[place]).filter(known);
  const { begin, span } = period(rows);
  const range = values.length ? TEXTS.range(write(now), write(Math.min(...values)), write(Math.max(...values))) : write(now);
  let text = range;
  if (pointed !== null && rows.length) {
    const at = begin + pointed * span;
    const [moment, found] = rows.reduce((best, row) => (Math.abs(row[0] - at) < Math.abs(best[0] - at) ? row : best));
    text = TEXTS.atTime(write(found[place]), new Date(moment).toLocaleTimeString());
  }
  const most = top ?? Math.max(1, ...values);
  const drawn = line(rows, place, most, HEIGHT);
  drawn.removeAttribute("aria-hidden");
  drawn.setAttribute("role", "img");
  drawn.setAttribute("aria-label", `${TEXTS.measures[name]}: ${range}`);
  return element(
    "figure",
    { class: `measure ${name}`, "data-place": place },
    element("figcaption", {}, element("span", { class: "name" }, TEXTS.measures[name]), element("span", { class: "value" }, text)),
    drawn,
    element("div", { class: "axis" }, [TEXTS.ago(Math.round(span / 60_000)), TEXTS.scale(write(most)), TEXTS.now].map((one) => element("span", {}, one))),
  );
}

let dialog = null;
let index = null; // of the GPU that is shown
let gpu = null; // its newest values
let pointed = { place: null, share: 0 };
let asking = false;

const part = (name) => dialog.querySelector(name);

function draw() {
  if (!gpu) return;
  const rows = recent(gpu.uuid);
  show(part("#charts"), ...measures(gpu).map((one, place) => chart(one, place, rows, pointed.place === place ? pointed.share : null)));
}

function point(event) {
  const figure = event.type === "pointermove" && event.target.closest("figure");
  const { left, width } = figure ? figure.querySelector("svg").getBoundingClientRect() : {};
  pointed = figure ? { place: Number(figure.dataset.place), share: (event.clientX - left) / width } : { place: null };
  draw();
}

// Asks again, if a GPU is shown.
export async function look(signal) {
  if (!dialog?.open || asking) return;
  asking = true;
  const wanted = index;
  try {
    const answer = await get(`gpu?detail=1&idx=${wanted}`, signal);
    if (wanted !== index) return; // another one was opened meanwhile
    [gpu] = answer.gpus;
    show(part("#detail-title"), element("span", {}, `${TEXTS.gpu(index)} · ${model(gpu)}`), badge(gpu));
    draw();
    show(part("#facts"), element("p", { class: "reason" }, gpu.error ?? ""), element("div", { class: "sections" }, sections(gpu, answer.topology)));
  } catch (error) {
    if (signal.aborted) return;
    gpu = null; // what was true once is not shown as true now
    show(part("#charts"));
    show(part("#facts"), element("p", { class: "reason" }, error.message));
  } finally {
    asking = false;
  }
}

export function open(shown, gpuIndex, signal) {
  if (!dialog) {
    dialog = shown;
    for (const type of ["pointermove", "pointerleave"]) part("#charts").addEventListener(type, point);
  }
  index = gpuIndex;
  gpu = null;
  show(part("#detail-title"), element("span", {}, TEXTS.gpu(index)));
  show(part("#charts"));
  show(part("#facts"));
  if (!dialog.open) dialog.showModal();
  look(signal);
}
