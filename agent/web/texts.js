// Every text that a person reads, but for the agent's own; and how values are written.
export const UNKNOWN = "–";
export const TEXTS = {
  // standing texts, by the name in data-text
  allHosts: "← All hosts",
  simulated: "Simulated: no real GPU is behind these numbers.",
  token: "Token of this agent",
  remember: "Remember it in this browser",
  login: "Show the GPUs",
  gpus: "GPUs",
  processes: "Processes",
  filterUser: "User",
  filterGpu: "GPU",
  hosts: "Hosts",
  searchUser: "Search by user",
  users: "Users",
  close: "Close",
  // connection
  live: "live",
  paused: "paused while this tab is hidden",
  connecting: "connecting …",
  late: "no new values",
  lostConnection: (seconds) => `connection lost, next try after ${seconds} s`,
  age: (seconds) => `${seconds} s old`,
  wrongToken: "That token is wrong.",
  onlyStream: "The agent asks for its TOKEN here; a key opens only the stream.",
  unreachable: "The agent cannot be reached",
  silent: "The agent does not answer",
  noAgent: "What answers is no agent",
  httpStatus: (status) => `The agent answers with HTTP ${status}`,
  streamEnded: "The stream ended",
  theme: "Theme",
  themes: { auto: "◐ System", dark: "● Dark", light: "○ Light" },
  // what the driver failed to tell
  error: "ERR",
  errorOf: (why) => `ERR (${why})`,
  // one host
  all: "all",
  part: (some, all) => `${some} of ${all}`,
  freeNow: "Free now",
  noneFree: "No GPU is free now.",
  noProcesses: "No process on a GPU.",
  noneSelected: "No process of these.",
  processesUnknown: (gpus) => `Unknown for now: the processes of GPU ${gpus}.`,
  gpu: (index) => `GPU ${index}`,
  title: (busiest, index, host) => `${busiest} GPU ${index} · ${host}`,
  titleUnknown: (host) => `${UNKNOWN} ${host}`,
  states: { starting: "… starting", stale: "◔ late", stuck: "✖ stuck", lost: "✖ lost" },
  verdicts: { healthy: "✓ healthy", warning: "▲ warning", critical: "✖ critical", unknown: "? unknown" },
  free: "free",
  measures: { utilization: "Utilization", memory: "Memory", temperature: "Temperature", power: "Power" },
  host: { cpu: "CPU", memory: "Memory", disk: "Disk", temperature: "Temperature", driver: "Driver", cuda: "CUDA" },
  diskFree: (free, total) => `${free} of ${total} GiB free`,
  facts: {
    users: "Users", clocks: "Clocks", limited: "Limited by",
    fan: "Fan", pcie: "PCIe", bottlenecks: "Bottlenecks",
  },
  clocks: (graphics, memory) => `${graphics}, memory ${memory}`,
  link: (generation, lanes) => `gen ${generation} x${lanes}`,
  traffic: (tx, rx) => `↑\u00a0${tx} ↓\u00a0${rx}`,
  nobody: "nobody",
  nothing: "nothing",
  columns: {
    gpu: "GPU", user: "User", pid: "PID", command: "Command", memory: "GPU memory",
    sm: "SM", cpu: "CPU", hostMemory: "Host memory", running: "Running", belongs: "Belongs to", idle: "Idle",
  },
  mig: (gpu, instance) => `${gpu} MIG ${instance}`,
  job: (scheduler, id, name) => [TEXTS.schedulers[scheduler] ?? scheduler, id, name].filter(Boolean).join(" "),
  schedulers: {
    slurm: "Slurm job", pbs: "PBS job", lsf: "LSF job", oar: "OAR job", nomad: "Nomad allocation", htcondor: "HTCondor",
  },
  belongs: {
    pod_name: "pod", pod_uid: "pod", container_name: "container", container_id: "container",
    systemd_unit: "", user_session: "session",
  },
  idleFor: (time) => `idle for ${time}`,
  // one GPU
  now: "now",
  scale: (top) => `0 to ${top}`,
  ago: (minutes) => `${minutes} min ago`,
  range: (now, low, high) => `${now} now, ${low} to ${high}`,
  atTime: (value, time) => `${value} at ${time}`,
  yes: "yes",
  no: "no",
  none: "none",
  sections: { topology: "Connected by", debug_info: "Why active or idle" },
  // many hosts
  overview: "All hosts",
  asked: (seconds) => `each host is asked every ${seconds} s`,
  gpusOf: (host) => `GPUs of ${host}`,
  totals: {
    hosts: "Hosts", gpus: "GPUs", free: "Free", trouble: "Trouble",
    utilization: "Utilization", memory: "Memory", power: "Power",
  },
  hostsUp: (up, all) => `${up} of ${all} hosts`,
  trouble: (critical, warning) => (critical + warning ? `✖ ${critical} critical, ▲ ${warning} warning` : "none"),
  more: (gpus, hosts) => `and ${gpus} more on ${hosts} ${hosts === 1 ? "host" : "hosts"}`,
  wantsToken: "asks for a token: open it and give one",
  down: (why) => `✖ ${why}`,
  lastSeen: (time) => `last seen ${time}`,
  tileMemory: (share) => `memory ${share}`,
  userColumns: ["User", "GPUs", "Where", "Processes", "Memory", "Idle holders"],
  idleHolders: (count, memory) => `${count}, ${memory}`,
};
// Parts of the agent's names that are not written as they stand.
const WRITTEN = {
  pcie: "PCIe", pci: "PCI", gpu: "GPU", sm: "SM", dram: "DRAM", ecc: "ECC", mig: "MIG", uuid: "UUID",
  vbios: "VBIOS", id: "ID", bar1: "BAR1", jpeg: "JPEG", ofa: "OFA", nvlinks: "NVLinks", xids: "XIDs", pid: "PID",
  crc: "CRC", todo: "what to do", tx: "sent", rx: "received", reasons: "reason bits",
  gsp: "GSP", sram: "SRAM", l2: "L2", secded: "SEC-DED", fps: "frames per second",
  hw: "hardware", sw: "software", max: "maximum",
};

// Unknown is never 0.
export const known = (value) => value !== null && value !== undefined;

export function number(value, unit = "", digits = 0) {
  // No line ends between a number and its unit.
  return known(value) ? `${value.toFixed(digits)}${unit.replace(" ", "\u00a0")}` : UNKNOWN;
}

// In the unit of `whole`, so that a part and its whole can be compared.
export function memory(mib, whole = mib) {
  if (!known(mib)) return UNKNOWN;
  if (whole >= 1024 ** 2) return number(mib / 1024 ** 2, " TiB", 1);
  return whole >= 1024 ? number(mib / 1024, " GiB", 1) : number(mib, " MiB");
}

export function throughput(mbps) {
  return mbps >= 1000 ? number(mbps / 1024, " GiB/s", 1) : number(mbps, " MiB/s");
}

export function duration(seconds) {
  if (!known(seconds)) return UNKNOWN;
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor((seconds % 3600) / 60);
  if (hours >= 48) return `${Math.floor(hours / 24)} d ${hours % 24} h`;
  return hours ? `${hours} h ${minutes} min` : `${minutes} min ${Math.floor(seconds % 60)} s`;
}

// How a value is written, by the end of its name.
const UNITS = {
  _celsius: (value) => number(value, " °C"),
  _watts: (value) => number(value, " W", 1),
  _mhz: (value) => number(value, " MHz"),
  _percent: (value) => number(value, " %", Number.isInteger(value) ? 0 : 1),
  _mb: (value) => memory(value),
  _mbps: (value, name) => (/^(max|speed)/.test(name) ? number(value / 1000, " GB/s", 1) : throughput(value)),
  _joules: (value) => number(value / 3.6e6, " kWh", 2),
  _microseconds: (value) => number(value, " µs"),
  _ms: (value) => number(value, " ms"),
};

const unitOf = (name) => Object.keys(UNITS).find((end) => name.endsWith(end));

// "sw_power_cap" as "software power cap".
export function words(name) {
  return name.split("_").map((word) => WRITTEN[word] ?? word).join(" ");
}

// "memory_used_mb" as "Memory used".
export function label(name) {
  const text = words(name.slice(0, name.length - (unitOf(name) ?? "").length));
  return text.charAt(0).toUpperCase() + text.slice(1);
}

export function written(name, value) {
  if (!known(value)) return UNKNOWN;
  if (typeof value === "boolean") return value ? TEXTS.yes : TEXTS.no;
  if (Array.isArray(value)) {
    return value.map((one) => (typeof one === "string" ? words(one) : `${one}`)).join(", ") || TEXTS.none;
  }
  if (typeof value !== "number") return `${value}` || UNKNOWN;
  const unit = unitOf(name);
  return unit ? UNITS[unit](value, name) : `${value}`;
}
