// The table of every GPU of all hosts, to search and sort; usable by keyboard and screen reader.
import { to } from "./address.js";
import { element, show, styled, update } from "./draw.js";
import { gpuFits, hostFits } from "./filter.js";
import { age, fleet, isLive } from "./fleet.js";
import { freeBadge } from "./gpus.js";
import { comparing, order } from "./order.js";
import { state } from "./state.js";
import { gpuShown } from "./summary.js";
import { TEXTS, UNKNOWN, duration, known, memory, number } from "./texts.js";
import { WORDS } from "./words.js";

await styled("table.css");

const GRAVITY = ["critical", "warning", "healthy"];

// The value that is compared and usually shown; null: unknown, undefined: the row has no GPU.
const READ = {
  host: ({ host }) => host.name,
  gpu: ({ gpu }) => gpu?.idx,
  verdict: ({ gpu, isNow }) => (isNow && GRAVITY.includes(gpu?.verdict) ? GRAVITY.indexOf(gpu.verdict) : null),
  free: ({ model }) => (model?.free ? 0 : null),
  utilization: ({ gpu }) => gpu?.utilization_percent,
  freeMemory: ({ gpu }) => (known(gpu?.memory_used_mb) && known(gpu.memory_total_mb) ? gpu.memory_total_mb - gpu.memory_used_mb : null),
  temperature: ({ gpu }) => gpu?.temperature_celsius,
  power: ({ gpu }) => gpu?.power_watts,
  users: ({ model }) => model?.users?.join(", ") || null,
  idle: ({ gpu, host, isNow }) => (isNow && known(gpu?.idle_since) ? (host.summary.ts - gpu.idle_since) / 1000 : null),
  model: ({ model }) => model?.product,
};
// The text of a cell.
const WRITE = {
  host: (name, { host }) => element("a", { href: `${host.url}?host` }, name),
  gpu: (_, { model }) => element("a", { href: model.href }, TEXTS.gpu(model.id)),
  verdict: (_, { model, gpu }) => element("span", { class: `badge ${model.kind}`, title: gpu.reason }, model.word),
  free: (_, { model }) => freeBadge(model) ?? "",
  utilization: (percent) => number(percent, " %"),
  freeMemory: (mib) => memory(mib),
  temperature: (celsius) => number(celsius, " °C"),
  power: (watts) => number(watts, " W"),
  users: (names, { model }) => names ?? (model.users ? TEXTS.nobody : UNKNOWN),
  idle: (seconds) => (known(seconds) ? duration(seconds) : ""),
  model: (name) => name,
};
const NUMERIC = ["gpu", "utilization", "freeMemory", "temperature", "power", "idle"];
const names = Object.keys(READ);
const kind = (name) => (NUMERIC.includes(name) ? `${name} numeric` : name);

const rows = new Map(); // by the name of its host, in the order of their indices: {key, host, gpu, model, isNow, node}

function cells(row) {
  return names.map((name) =>
    element("td", { class: kind(name), "data-name": WORDS.ofGpus[name] }, WRITE[name](READ[name](row), row)));
}

// The reason, for a host that has never answered.
function empty(host) {
  const why = host.fault ? TEXTS.down(host.fault) : host.summary ? TEXTS.noGpus : TEXTS.phases.connecting;
  return [
    element("td.host", {}, WRITE.host(host.name, { host })),
    element("td", { class: host.fault && "fault", colspan: names.length - 1 }, why),
  ];
}

function made(host) {
  const isNow = isLive(host);
  const old = isNow ? null : Math.round((age(host) ?? 0) / 1000);
  const told = (host.summary?.gpus ?? []).map((gpu) =>
    ({ key: `${host.name} ${gpu.idx}`, host, gpu, model: gpuShown(gpu, host, old), isNow }));
  return told.length ? told : [{ key: host.name, host, gpu: null, model: null, isNow }];
}

// Updates the rows of a host without moving the visible ones.
function refresh(host) {
  const had = new Map(rows.get(host.name)?.map((row) => [row.key, row.node]));
  rows.set(host.name, made(host).map((row) => {
    const isOld = row.gpu && !row.isNow;
    const node = element("tr", { "data-key": row.key, class: isOld && "old" }, row.gpu ? cells(row) : empty(host));
    const mine = had.get(row.key);
    if (mine) update(mine, node);
    return { ...row, node: mine ?? node };
  }));
}

function fits({ host, gpu, isNow }) {
  if (hostFits(host, state.view) === false) return false;
  return !gpu || !isNow || state.view.only === "down" || gpuFits(gpu, host, state.view) === true;
}

function headings({ column, descending }) {
  return names.map((name) => {
    const isSorted = name === column;
    const next = isSorted && !descending ? `-${name}` : name;
    const sorted = isSorted && (descending ? "descending" : "ascending");
    const link = element("a.sort", { href: to({ sort: next }), "data-replace": "" }, WORDS.ofGpus[name]);
    return element("th", { scope: "col", class: kind(name), "aria-sort": sorted }, link);
  });
}

function arrange(place) {
  const sorted = order(state.view, READ, "host");
  const fitting = [...rows.values()].flat().filter(fits);
  if (state.view.sort) fitting.sort(comparing(READ[sorted.column], sorted.descending));
  show(place.querySelector("thead tr"), ...headings(sorted));
  show(place.querySelector("tbody"), ...fitting.map(({ node }) => node));
}

export function render(place) {
  if (!place.firstChild) {
    const table = element("table", {}, element("thead", {}, element("tr")), element("tbody"));
    place.append(element("div.scroll.gpu-table", { tabindex: "0", role: "region", "aria-label": TEXTS.gpus }, table));
  }
  fleet.hosts.forEach(refresh);
  arrange(place);
}

let isDue = false; // whether the order of the rows is to be made anew

export function renderHost(_, host) {
  refresh(host);
  isDue = true;
}

// Once a second.
export function renderAges(place) {
  for (const host of fleet.hosts) if (host.summary && !isLive(host)) refresh(host);
  if (isDue) arrange(place);
  isDue = false;
}
