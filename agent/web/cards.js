// A card for each GPU: made once, then only its texts change.
import { MEASURES, SHORT, chart, draw, points } from "./chart.js";
import { TEXTS, UNKNOWN, known, memoryOf, number, of } from "./texts.js";

const cards = new Map(); // by GPU index

export function element(name, className = "", text = "") {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text) made.textContent = text;
  return made;
}

function make(index, open) {
  const card = element("article", "card");
  const parts = { card };
  const head = element("div", "card-head");
  const title = element("h3");
  const button = element("button", "link");
  button.type = "button";
  button.addEventListener("click", () => open(index));
  title.append(button);
  parts.title = button;
  parts.badge = element("span", "badge");
  head.append(title, parts.badge);
  parts.reason = element("p", "reason");
  card.append(head, parts.reason);
  parts.measures = MEASURES.map((measure) => {
    const row = element("div", "measure");
    const value = element("span", "value");
    const svg = chart(TEXTS.measures[measure], 24);
    row.append(element("span", "name", TEXTS.measures[measure]), value, svg);
    card.append(row);
    return { value, svg };
  });
  const facts = element("dl", "facts");
  parts.facts = Object.values(TEXTS.facts).map((name) => {
    const value = element("dd");
    facts.append(element("dt", "", name), value);
    return value;
  });
  card.append(facts);
  return parts;
}

function fill(parts, gpu) {
  const unread = gpu.state === "lost" || gpu.state === "stuck" || gpu.state === "starting";
  const verdict = gpu.health?.verdict;
  parts.card.className = `card ${gpu.state} ${verdict ?? "unknown"}`;
  parts.title.textContent = `${TEXTS.gpu(gpu.id)}  ${gpu.name ?? UNKNOWN}`;
  parts.badge.textContent =
    gpu.state === "ok" ? (TEXTS.verdicts[verdict] ?? TEXTS.unknownHealth) : `✖ ${TEXTS.states[gpu.state]}`;
  const reasons = gpu.error ? [gpu.error] : (gpu.health?.reasons ?? []);
  parts.reason.textContent = reasons.join(". ");
  const { memory: ram, power } = gpu;
  const shown = [
    number(gpu.utilization.gpu_percent, " %"),
    memoryOf(ram.used_mb, ram.total_mb),
    number(gpu.temperature_celsius, " °C"),
    of(power.usage_watts, power.limit_watts, "W"),
  ];
  const tops = [100, ram.total_mb, 100, power.limit_watts ?? power.usage_watts];
  parts.measures.forEach(({ value, svg }, measure) => {
    value.textContent = shown[measure];
    draw(svg, points(gpu.uuid, measure, SHORT), tops[measure]);
  });
  const limits = gpu.throttling.bottlenecks ?? [];
  const { pcie, clocks } = gpu;
  const link = (generation, width) => (known(generation) ? `gen ${generation} x${width ?? UNKNOWN}` : UNKNOWN);
  const facts = [
    number(gpu.fan_speed_percent, " %"),
    of(clocks.graphics_mhz, clocks.memory_mhz, "MHz"),
    `${link(pcie.current_generation, pcie.current_width)} of ${link(pcie.generation, pcie.width)}`,
    unread ? UNKNOWN : limits.map((name) => name.replaceAll("_", " ")).join(", ") || TEXTS.nothingLimits,
  ];
  parts.facts.forEach((value, fact) => (value.textContent = facts[fact]));
}

export function render(container, gpus, open) {
  for (const index of [...cards.keys()]) {
    if (gpus.some((gpu) => gpu.id === index)) continue;
    cards.get(index).card.remove();
    cards.delete(index);
  }
  for (const gpu of gpus) {
    if (!cards.has(gpu.id)) {
      cards.set(gpu.id, make(gpu.id, open));
      container.append(cards.get(gpu.id).card);
    }
    fill(cards.get(gpu.id), gpu);
  }
}
