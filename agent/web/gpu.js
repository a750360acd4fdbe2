// The view of one GPU: its findings and what to do, charts, and all other values.
import { read, replace, to } from "./address.js";
import { DETAIL } from "./answers.js";
import { get } from "./api.js";
import * as charts from "./charts.js";
import { element, show, styled } from "./draw.js";
import { sections } from "./facts.js";
import { freeBadge } from "./gpus.js";
import { GAP, PLACES, add, longest, follow, followed, loadPast, loadedPast, timeOf } from "./history.js";
import { described, failure, failureIn } from "./model.js";
import { checked } from "./shape.js";
import { slices } from "./slices.js";
import { INTERVAL, changed, isLive, state } from "./state.js";
import { TEXTS, UNKNOWN, known, memory, number, throughput } from "./texts.js";
import { WORDS } from "./words.js";

await styled("gpu.css");

const OLD = 3 * INTERVAL * 1000; // milliseconds after which an answer is no longer that of now

const HOUR = 60; // minutes; what is longer the agent reads from its file

let newest = null; // {index, gpu, topology, at}: the newest answer in detail, and when it came
let shown = null; // the detail whose facts stand on the page
let following = { key: null, at: 0 }; // whose history was read, and until when it was kept up

export async function load(_, signal) {
  const { index } = state.view;
  const { gpus, topology, ...rest } = checked(await get(`gpu?detail=1&idx=${index}`, signal), DETAIL);
  const [gpu] = gpus;
  if (!gpu) throw new Error(WORDS.noGpu(index));
  newest = { index, gpu, topology, at: performance.now() };
  const key = gpu.uuid ?? index; // an index may mean another GPU after a reboot
  if (following.key !== key || performance.now() - following.at > GAP) {
    following = { key: null, at: 0 }; // the history may fail to come
    await follow(gpu, signal);
  }
  add({ gpus, ...rest });
  following = { key, at: performance.now() };
  const minutes = spanOf(gpu);
  if (minutes > HOUR) await loadPast(gpu, minutes, signal);
}

const percent = (value) => number(value, " %");
const gibibytes = (top) => (top >= 1024 ? 1024 : 1);
const rate = (value) => (known(value) ? throughput(value) : UNKNOWN);

// The charts: the path of each line in the answer of /gpu, and its column in the history.
const CHARTS = [
  { name: "utilization", top: () => 100, write: () => percent, lines: { "": ["utilization.gpu_percent", "gpu_utilization"] } },
  {
    name: "sm",
    top: () => 100,
    write: () => percent,
    lines: {
      sm: ["detail.performance.sm_percent", "sm_percent"],
      tensor: ["detail.performance.tensor_percent", "tensor_percent"],
    },
  },
  {
    name: "memory",
    top: (gpu) => gpu.memory.total_mb,
    unit: gibibytes,
    write: (gpu) => (value) => memory(value, gpu.memory.total_mb ?? value),
    lines: { "": ["memory.used_mb", "memory_used_mb"] },
  },
  {
    name: "power",
    top: (gpu) => gpu.power.limit_watts,
    write: () => (value) => number(value, " W"),
    lines: { "": ["power.usage_watts", "power_watts"] },
  },
  {
    name: "temperature",
    top: () => 100,
    write: () => (value) => number(value, " °C"),
    lines: { "": ["temperature_celsius", "temperature_celsius"] },
  },
  {
    name: "clocks",
    top: ({ clocks }) => Math.max(clocks.max_graphics_mhz, clocks.max_memory_mhz) || null,
    write: () => (value) => number(value, " MHz"),
    lines: { graphics: ["clocks.graphics_mhz", "graphics_mhz"], memory: ["clocks.memory_mhz", "memory_mhz"] },
  },
  {
    name: "pcie",
    top: () => null, // even a busy GPU uses a small part of it
    unit: (top) => (top >= 1000 ? 1024 : 1),
    write: () => (value) => (known(value) ? throughput(value) : UNKNOWN),
    lines: {
      sent: ["pcie.tx_throughput_mbps", "pcie_tx_mbps"],
      received: ["pcie.rx_throughput_mbps", "pcie_rx_mbps"],
    },
  },
  { name: "fan", top: () => 100, write: () => percent, lines: { "": ["fan_speed_percent", "fan_speed_percent"] } },
  {
    name: "hostCpu",
    top: () => 100,
    write: () => percent,
    lines: { "": ["host.cpu.cpu_percent", "host_cpu_percent"] },
  },
  {
    name: "hostMemory",
    top: (_, host) => host.memory.total_mb,
    unit: gibibytes,
    write: (_, host) => (value) => memory(value, host.memory.total_mb ?? value),
    lines: { "": ["host.memory.used_mb", "host_memory_used_mb"] },
  },
];

const at = (whole, path) => path.split(".").reduce((part, name) => part?.[name], whole);

// A value that this GPU never reports has no chart.
function specs(gpu, host, rows) {
  const all = { ...gpu, host };
  return CHARTS.map(({ name, top, unit, write, lines }) => {
    const shown = Object.entries(lines).map(([line, [path, column]]) => ({
      name: line,
      place: PLACES[column],
      now: at(all, path),
      why: failureIn(gpu.detail?.failed, path) ?? failure(gpu, path),
    }));
    const isTold = ({ place, now, why }) => known(now) || known(why) || rows.some(([, values]) => known(values[place]));
    return { name, top: top(gpu, host), unit, write: write(gpu, host), lines: shown.filter(isTold) };
  }).filter(({ lines }) => lines.length);
}

function head(index, model) {
  const ids = state.event.gpus.map(({ id }) => id);
  const place = ids.indexOf(index);
  return [
    element("a", { href: to({}, "") }, WORDS.allGpus),
    neighbour(ids[place - 1], "‹", WORDS.previous),
    neighbour(place < 0 ? null : ids[place + 1], "›", WORDS.next),
    element("h2", { tabindex: "-1" }, [TEXTS.gpu(index), model?.product].filter(Boolean).join(" · ")),
    model && element(`span.badge.${model.kind.replace(" ", ".")}`, {}, model.word),
    model && freeBadge(model),
  ].filter(Boolean);
}

// If there is none its place stays empty, so that the other button does not move.
function neighbour(id, sign, name) {
  if (!known(id)) return element("span.neighbour", { "aria-hidden": "true" });
  return element("a.neighbour", { href: to({}, `#gpu${id}`), "data-replace": "", "aria-label": name, title: name }, sign);
}

// Without current values no findings are shown. What to do is in the detail.
function findings(gpu, detail) {
  if (!isLive() || !gpu) return [];
  const found = detail?.findings ?? gpu.health.reasons.map((what) => ({ verdict: gpu.health.verdict, what }));
  return found.map(({ verdict, what, todo }) =>
    element(
      `li.finding.${verdict}`,
      {},
      element(`span.badge.${verdict}`, {}, TEXTS.verdicts[verdict]),
      element("span.reason", {}, what),
      todo ? element("span.todo", {}, `→ ${todo}`) : null,
    ));
}

// The detail of this GPU if it is as new as the stream's event; else null.
function detailOf(plain, index) {
  if (newest?.index !== index || newest.gpu.uuid !== plain?.uuid) return null;
  return (isLive() ? state.now : state.heardAt) - newest.at < OLD ? newest.gpu : null;
}

const PARTS = ["div.gpu-head", "p.reason", "ul.findings", "div.gpu-slices", "div.gpu-charts", "div.sections"];

export function render(place) {
  if (!place.firstChild) place.append(...PARTS.map((part) => element(part)));
  const [title, fault, wrong, strip, drawn, facts] = place.children;
  const { index } = state.view;
  const plain = state.event.gpus.find(({ id }) => id === index);
  const detailed = detailOf(plain, index);
  const model = plain && described(plain, state);
  show(title, ...head(index, model));
  show(fault, state.viewFault ?? (plain ? plain.error ?? "" : WORDS.noGpu(index)));
  show(wrong, ...findings(plain, detailed?.detail));
  show(strip, ...[slices(plain?.mig, model?.instances)].filter(Boolean));
  const gpu = detailed ?? plain;
  drawn.hidden = !gpu;
  if (gpu) {
    const minutes = spanOf(gpu);
    const rows = minutes > HOUR ? loadedPast(gpu, minutes) : followed(gpu);
    charts.render(drawn, {
      key: gpu.uuid ?? index,
      charts: specs(gpu, state.event.system_info, rows),
      rows,
      minutes,
      longest: longest(),
      now: state.now,
      newest: isLive() ? WORDS.now : TEXTS.aged(Math.round((state.now - state.heardAt) / 1000)),
      timeOf,
      choose,
    });
  }
  // The facts change only with a new answer.
  if (shown !== detailed) show(facts, ...(detailed ? sections(detailed, newest.topology) : []));
  shown = detailed;
}

// The minutes that its charts show; by default fewer while the history is short.
function spanOf(gpu) {
  const chosen = Number(state.view.range);
  if (chosen && chosen <= longest()) return chosen;
  const [first] = followed(gpu);
  return first && state.now - first[0] > 5 * 60_000 ? 15 : 5;
}

// Another range adds no step for "Back".
function choose(minutes) {
  replace({ range: minutes });
  state.view = read();
  changed();
}
