// Everything that the agent tells of one GPU, in words and by subject.
import { element, facts, headings, told } from "./draw.js";
import { failureIn } from "./model.js";
import { TEXTS, UNKNOWN, known, label, number, written } from "./texts.js";

// A fact: where it stands in the answer of /gpu?detail=1, what it is called, and where the most that it can be stands.
const SUBJECTS = {
  Work: [
    ["utilization.gpu_percent", "GPU utilization"],
    ["detail.performance.sm_percent", "SM activity"],
    ["detail.performance.sm_occupancy_percent", "SM occupancy"],
    ["detail.performance.tensor_percent", "Tensor core activity"],
    ["detail.performance.dram_percent", "Memory bandwidth"],
    ["utilization.memory_percent", "Memory utilization"],
    ["detail.engines.encoder_percent", "Video encoder"],
    ["detail.engines.decoder_percent", "Video decoder"],
    ["detail.engines.jpeg_percent", "JPEG decoder"],
    ["detail.engines.ofa_percent", "Optical flow"],
    ["throttling.reason_names", "Limited by"],
    ["throttling.bottlenecks", "Bottlenecks"],
    ["throttling.is_throttled", "Slowed down"],
  ],
  Memory: [
    ["memory.used_mb", "In use", "memory.total_mb"],
    ["memory.utilization_percent", "Share in use"],
    ["memory.free_mb", "Free"],
    ["detail.bar1.used_mb", "BAR1 in use", "detail.bar1.total_mb"],
  ],
  Power: [
    ["power.usage_watts", "Draw", "power.limit_watts"],
    ["power.efficiency_percent", "Share of the limit"],
    ["power.budget_watts", "Left of the limit"],
    ["detail.power.instant_watts", "Draw at this moment"],
    ["detail.power.average_watts", "Mean draw of the last second"],
    ["detail.power.enforced_limit_watts", "Lowest limit in force"],
    ["detail.power.default_limit_watts", "Default limit"],
    ["detail.power.energy_joules", "Energy since the driver was loaded"],
  ],
  "Temperature and fans": [
    ["temperature_celsius", "GPU"],
    ["detail.temperatures.memory_celsius", "Memory"],
    ["detail.temperatures.max_operating_celsius", "The driver slows it down from"],
    ["detail.temperatures.slowdown_celsius", "It slows itself down from"],
    ["detail.temperatures.shutdown_celsius", "It shuts down at"],
    ["detail.temperatures.memory_max_celsius", "The memory is slowed down from"],
    ["detail.fan_count", "Fans"],
    ["fan_speed_percent", "Fan speed"],
    ["fan_speed_rpm", "Fan speed, revolutions per minute"],
  ],
  Clocks: [
    ["clocks.graphics_mhz", "Graphics", "clocks.max_graphics_mhz"],
    ["detail.clocks.sm_mhz", "SM", "detail.clocks.max_sm_mhz"],
    ["clocks.memory_mhz", "Memory", "clocks.max_memory_mhz"],
    ["detail.clocks.video_mhz", "Video", "detail.clocks.max_video_mhz"],
    ["clocks.efficiency_percent", "Graphics, share of the maximum"],
    ["detail.modes.performance_state", "Performance state"],
  ],
  PCIe: [
    ["pcie.current_generation", "Generation", "pcie.generation"],
    ["pcie.current_width", "Lanes", "pcie.width"],
    ["detail.pcie.card_width", "Lanes of the card"],
    ["detail.pcie.port_width", "Lanes of the port above it"],
    ["detail.pcie.widest_under_load", "Most lanes seen under load"],
    ["pcie.tx_throughput_mbps", "Sent"],
    ["pcie.rx_throughput_mbps", "Received"],
    ["pcie.total_throughput_mbps", "Both directions"],
    ["pcie.max_bandwidth_mbps", "Maximum, one direction"],
    ["pcie.utilization_percent", "Share of the maximum"],
    ["detail.pcie_replays", "Packets sent again since its reset"],
  ],
  Errors: [
    ["detail.xids", "XID errors"],
    ["detail.modes.ecc_enabled", "ECC"],
    ["detail.ecc.corrected_volatile", "Corrected since the driver was loaded"],
    ["detail.ecc.uncorrected_volatile", "Uncorrected since the driver was loaded"],
    ["detail.ecc.corrected_aggregate", "Corrected over its life"],
    ["detail.ecc.uncorrected_aggregate", "Uncorrected over its life"],
    ["detail.retired_pages.corrected", "Pages retired for corrected errors"],
    ["detail.retired_pages.uncorrected", "Pages retired for uncorrected errors"],
    ["detail.retired_pages.pending", "A page is retired at the next reset"],
    ["detail.remapped_rows.corrected", "Rows remapped for corrected errors"],
    ["detail.remapped_rows.uncorrected", "Rows remapped for uncorrected errors"],
    ["detail.remapped_rows.pending", "A row is remapped at the next reset"],
    ["detail.remapped_rows.failed", "A row could not be remapped"],
    ["detail.remapped_rows.banks.all", "Banks with all spare rows left"],
    ["detail.remapped_rows.banks.most", "Banks with most spare rows left"],
    ["detail.remapped_rows.banks.some", "Banks with some spare rows left"],
    ["detail.remapped_rows.banks.few", "Banks with few spare rows left"],
    ["detail.remapped_rows.banks.none", "Banks with no spare row left"],
  ],
  "What it is": [
    ["name", "Model"],
    ["uuid", "UUID"],
    ["detail.board.serial", "Serial number"],
    ["detail.board.part_number", "Part number"],
    ["detail.board.pci_bus_id", "PCI address"],
    ["detail.board.vbios_version", "VBIOS version"],
    ["detail.board.compute_capability", "Compute capability"],
    ["detail.modes.persistence_mode", "The driver stays loaded"],
    ["detail.modes.compute_mode", "Compute mode"],
    ["detail.modes.mig_enabled", "MIG mode"],
    ["detail.mig_instances", "MIG instances"],
  ],
  "Why it counts as active or idle": [
    ["status", "It counts as"],
    ["debug_info.gpu_util_threshold", "Utilization"],
    ["debug_info.power_threshold", "Power"],
    ["debug_info.memory_util_threshold", "Memory"],
    ["debug_info.clock_threshold", "Clock"],
    ["debug_info.temp_threshold", "Temperature"],
  ],
};
// Lists of things with the same values each.
const TABLES = {
  "detail.fans": ["Each fan", { speed_percent: "Speed", speed_rpm: "Revolutions per minute" }],
  "detail.mig_instances": ["MIG instances", {
    mig_index: "Instance", name: "Profile", memory_used_mb: "Memory in use", memory_total_mb: "Memory",
    processes: "Processes", uuid: "UUID",
  }],
  "detail.nvlinks": ["NVLink", {
    link: "Link", is_active: "Up", version: "Version", peer: "Other end", tx_throughput_mbps: "Sent",
    rx_throughput_mbps: "Received", replay_errors: "Sent again", recovery_errors: "Recoveries",
    crc_flit_errors: "CRC errors, flits", crc_data_errors: "CRC errors, data",
  }],
  "detail.xids": ["XID errors since the agent started", {
    code: "XID", meaning: "Meaning", remedy: "What helps", times: "Times", last_at: "Last",
  }],
};
// Told elsewhere on the page, or once more by another name.
const TOLD = new Set([
  "id", "state", "age_ms", "timestamp", "error", "health", "failed", "top_processes", "mig", "detail.findings",
  "detail.unknown", "detail.failed", "throttling.reasons", "utilization.sm_percent",
  "memory.bandwidth_utilization_percent", "debug_info.is_active", "detail.power.limit_watts",
]);

const at = (gpu, path) => path.split(".").reduce((part, name) => part?.[name], gpu);
const isObject = (value) => known(value) && typeof value === "object" && !Array.isArray(value);
const isTable = (value) => Array.isArray(value) && typeof value[0] === "object";

// The paths of all values that no object holds together.
function paths(part, path = "") {
  return Object.entries(part).flatMap(([name, value]) => {
    const here = path + name;
    if (TOLD.has(here)) return [];
    return isObject(value) ? paths(value, `${here}.`) : [here];
  });
}

// Why a value is unknown, as the agent names it; the name of an object stands for all in it.
function reasonOf(gpu, path) {
  const isNamed = (name) => name === path || path.startsWith(`${name}.`);
  return Object.entries(gpu.detail.unknown ?? {}).find(([, names]) => names.some(isNamed))?.[0];
}

// A value as it is written; null: this GPU never tells it, so that it has no line.
function value(gpu, path) {
  const found = at(gpu, path);
  if (isTable(found)) return `${found.length}`;
  if (known(found)) return written(path, found);
  const reason = reasonOf(gpu, path);
  if (reason === "not_supported" || reason === "missing") return null;
  const why = failureIn(gpu.detail.failed, path) ?? failureIn(gpu.failed, path);
  return known(why) ? told(UNKNOWN, why) : dash(TEXTS.unknown[reason]);
}

// What is unknown for a reason tells it to who points at it, goes to it or hears the page.
function dash(why) {
  if (!known(why)) return UNKNOWN;
  return element("span.err.dash", { tabindex: "0" }, UNKNOWN, element("span.why", {}, ` ${why}`));
}

function fact(gpu, [path, name, most]) {
  const now = value(gpu, path);
  const limit = most && at(gpu, most);
  if (!known(limit)) return now === null ? [] : [[name, now]];
  return [[name, [now ?? UNKNOWN, element("small", {}, TEXTS.outOf(written(most, limit)))]]];
}

// "0–3, 7": numbers in order.
function ranges(numbers) {
  const parts = [];
  for (const one of numbers) {
    if (parts.at(-1)?.[1] === one - 1) parts.at(-1)[1] = one;
    else parts.push([one, one]);
  }
  return parts.map(([first, last]) => (first === last ? `${first}` : `${first}–${last}`)).join(", ");
}

const section = (name, content, wide = false) =>
  element(`section${wide ? ".wide" : ""}`, {}, element("h3", {}, name), content);

function pairs(name, found) {
  return found.length ? [section(name, element("dl.facts", {}, facts(found)))] : [];
}

// Links that are alike share a line: "0–17", with what goes over all of them.
function grouped(links) {
  const groups = new Map();
  for (const link of links) {
    const alike = JSON.stringify({ ...link, link: 0, tx_throughput_mbps: 0, rx_throughput_mbps: 0 });
    groups.set(alike, [...(groups.get(alike) ?? []), link]);
  }
  return [...groups.values()].map((alike) => {
    const sum = (name) => (alike.every((one) => known(one[name])) ? alike.reduce((all, one) => all + one[name], 0) : null);
    return {
      ...alike[0],
      link: ranges(alike.map(({ link }) => link)),
      tx_throughput_mbps: sum("tx_throughput_mbps"),
      rx_throughput_mbps: sum("rx_throughput_mbps"),
    };
  });
}

function table(name, columns, rows) {
  const used = Object.keys(columns).filter((column) => rows.some((row) => known(row[column])));
  const text = (column, one) => (isTable(one) ? `${one.length}` : written(column, one));
  const cells = (row) => used.map((column) => element("td", {}, text(column, row[column])));
  const head = element("thead", {}, element("tr", {}, headings(used.map((column) => columns[column]))));
  const body = element("tbody", {}, rows.map((row) => element("tr", {}, cells(row))));
  // With the focus on it, the keyboard scrolls it.
  const frame = { tabindex: "0", role: "region", "aria-label": name };
  return section(name, element("div.scroll", frame, element("table", {}, head, body)), true);
}

function links(gpu, topology) {
  const others = (topology?.[gpu.id] ?? []).map((link, other) => [TEXTS.gpu(other), link ?? UNKNOWN]);
  return pairs(TEXTS.connected, others.filter(([, link]) => link !== "X")); // the GPU itself, as nvidia-smi writes it
}

// `gpu`: of /gpu?detail=1; `topology`: of the same answer.
export function sections(gpu, topology) {
  const tabled = Object.keys(TABLES);
  const named = [...Object.values(SUBJECTS).flat().flatMap(([path, , most]) => [path, most ?? path]), ...tabled];
  // An agent of another version may tell more than is named here.
  const more = paths(gpu).filter((path) => !named.some((one) => one === path || one.startsWith(`${path}.`)));
  return [
    ...Object.entries(SUBJECTS).flatMap(([name, all]) => pairs(name, all.flatMap((one) => fact(gpu, one)))),
    ...links(gpu, topology),
    ...pairs(TEXTS.andMore, more.flatMap((path) => fact(gpu, [path, label(path.replace("detail.", "").replaceAll(".", "_"))]))),
    ...tabled.filter((path) => isTable(at(gpu, path))).map((path) => {
      const rows = at(gpu, path);
      return table(...TABLES[path], path === "detail.nvlinks" ? grouped(rows) : rows);
    }),
  ];
}
