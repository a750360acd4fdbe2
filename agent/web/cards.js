// One host: its line, and a card for each GPU: what it does, who uses it, how well it is, what holds it back.
import { element, facts, line, named, show, told } from "./draw.js";
import { TEXTS, UNKNOWN, known, memory, number, throughput, words } from "./texts.js";

const SPAN = 300_000; // milliseconds that the small lines show
const HEIGHT = 28;
const MOST_NAMED = 5; // processes of a GPU that the agent names in each event

// Why it cannot be read, then every reason of its verdict; of a lost GPU the first of these is the same.
export const reasons = (gpu) => [...new Set([gpu.error, ...gpu.health.reasons])].filter(known).join(". ");

// The product name without its maker.
export const model = (gpu) => gpu.name?.replace(/^NVIDIA /, "") ?? UNKNOWN;

// The indices of the GPUs that an answer of /free offers.
export const freeIn = (offer) => new Set(offer.gpus.map((gpu) => gpu.idx).sort((one, other) => one - other));

// In NVML's words, why the driver failed to tell a field, or all that it is a part of.
export function failureIn(failed, field) {
  return failed?.[field] ?? failed?.[field.slice(0, field.lastIndexOf("."))];
}

// Of the first of these fields that the driver failed to tell of a GPU.
export const failure = (gpu, ...fields) => fields.map((field) => failureIn(gpu.failed, field)).find(known);

// What is drawn of a GPU, in the order of history.js: the value now, the top of its scale, whether that is a limit,
// and why each of the two is not told.
export function measures(gpu) {
  const total = gpu.memory.total_mb;
  return [
    {
      name: "utilization",
      now: gpu.utilization.gpu_percent,
      why: failure(gpu, "utilization.gpu_percent"),
      top: 100,
      write: (value) => number(value, " %"),
    },
    {
      name: "memory",
      now: gpu.memory.used_mb,
      why: failure(gpu, "memory.used_mb"),
      top: total,
      whyTop: failure(gpu, "memory.total_mb"),
      limited: true,
      write: (value) => memory(value, total ?? value), // used and total in the same unit
    },
    {
      name: "temperature",
      now: gpu.temperature_celsius,
      why: failure(gpu, "temperature_celsius"),
      top: 100,
      write: (value) => number(value, " °C"),
    },
    {
      name: "power",
      now: gpu.power.usage_watts,
      why: failure(gpu, "power.usage_watts"),
      top: gpu.power.limit_watts,
      whyTop: failure(gpu, "power.limit_watts"),
      limited: true,
      write: (value) => number(value, " W"),
    },
  ];
}

// The state goes before the verdict: of a GPU that cannot be read, the verdict is only that.
export function badge(gpu) {
  const verdict = gpu.health.verdict ?? "unknown";
  const text = TEXTS.states[gpu.state] ?? TEXTS.verdicts[verdict];
  const age = gpu.state === "stale" ? `, ${TEXTS.age(number(gpu.age_ms / 1000, "", 1))}` : "";
  return element("span", { class: `badge ${gpu.state} ${verdict}` }, text + age);
}

// What is wrong with the host itself; one that is well has no line.
export const judged = ({ verdict, reasons }) => [TEXTS.verdicts[verdict ?? "unknown"], ...reasons].join(": ");

export function renderHealth(place, health) {
  const { verdict } = health;
  const text = judged(health);
  place.className = `badge ${verdict ?? "unknown"}`;
  place.hidden = verdict === "healthy";
  if (place.textContent !== text) place.textContent = text; // a screen reader says it again when it changes
}

function measure({ name, now, why, top, whyTop, limited, write }, rows, place) {
  const written = write(now);
  const value = limited && known(top) ? written.replace(/\s.*/, "") : written; // the unit stands behind the limit
  return element(
    "div",
    { class: `measure ${name}` },
    element("span.name", {}, TEXTS.measures[name]),
    element(
      "span.value",
      {},
      told(value, why),
      limited ? element("small", {}, " / ", told(write(top), whyTop)) : null,
    ),
    line(rows, place, top, HEIGHT),
  );
}

function users(gpu) {
  if (!gpu.top_processes) return told(UNKNOWN, failure(gpu, "top_processes"));
  const names = new Set(gpu.top_processes.map((process) => process.username ?? UNKNOWN));
  if (gpu.top_processes.length === MOST_NAMED) names.add("…"); // there may be more
  return [...names].join(", ") || TEXTS.nobody;
}

function pcieLink({ generation, width, current_generation, current_width }) {
  if (!known(current_generation) && !known(generation)) return UNKNOWN;
  const written = (gen, lanes) => TEXTS.link(gen ?? UNKNOWN, lanes ?? UNKNOWN);
  const now = written(current_generation, current_width);
  const best = written(generation, width ?? current_width); // an unknown slot is no other than this one
  return now === best ? now : TEXTS.part(now, best);
}

// NVML's names in words; null is a GPU without values, an empty list one that nothing holds back.
const listed = (names) => (names ? names.map(words).join(", ") || TEXTS.nothing : UNKNOWN);

function card(gpu, rows, free) {
  const { clocks, pcie, throttling } = gpu;
  const traffic = [pcie.tx_throughput_mbps, pcie.rx_throughput_mbps];
  const clockRates = TEXTS.clocks(number(clocks.graphics_mhz), number(clocks.memory_mhz, " MHz"));
  return element(
    "article",
    { class: `card ${gpu.state} ${gpu.health.verdict ?? "unknown"}` },
    element(
      "div.card-head",
      {},
      element("h3", {}, element("a", { href: `#gpu${gpu.id}` }, TEXTS.gpu(gpu.id))),
      free ? element("span.badge.free", {}, TEXTS.free) : null,
      badge(gpu),
    ),
    element("p.model", {}, model(gpu)),
    element("p.reason", {}, reasons(gpu)),
    element("div.measures", {}, measures(gpu).map((one, place) => measure(one, rows, place))),
    element("dl.facts", {}, facts(named(TEXTS.facts, {
      users: users(gpu),
      clocks: told(known(clocks.graphics_mhz) ? clockRates : UNKNOWN, failure(gpu, "clocks.graphics_mhz")),
      fan: told(number(gpu.fan_speed_percent, " %"), failure(gpu, "fan_speed_percent")),
      limited: told(listed(throttling.reason_names), failure(gpu, "throttling.reason_names")),
      pcie: gpu.status === "unavailable" ? UNKNOWN : [
        told(pcieLink(pcie), failure(gpu, "pcie.current_generation", "pcie.generation")),
        " ",
        told(
          traffic.some(known) ? TEXTS.traffic(...traffic.map(throughput)) : UNKNOWN,
          failure(gpu, "pcie.tx_throughput_mbps", "pcie.rx_throughput_mbps"),
        ),
      ],
      bottlenecks: listed(throttling.bottlenecks),
    }))),
  );
}

export function renderHost(list, info) {
  const { disk_used_gb: used, disk_available_gb: available } = info;
  const disk = TEXTS.diskFree(number(available), number(used + available));
  const values = named(TEXTS.host, {
    cpu: number(info.cpu.cpu_percent, " %"),
    memory: TEXTS.part(number(info.memory.percent, " %"), memory(info.memory.total_mb)),
    disk: known(used) && known(available) ? disk : UNKNOWN,
    temperature: number(info.temperature_celsius, " °C"),
    driver: info.driver_version ?? UNKNOWN,
    cuda: info.cuda_version ?? UNKNOWN,
  });
  show(list, ...facts(values));
}

// `past`: history.js, null until it is here; `free`: the indices of the GPUs that can be taken.
export function render(container, gpus, past, free) {
  show(container, ...gpus.map((gpu) => card(gpu, past?.recent(gpu, SPAN) ?? [], free.has(gpu.id))));
}
