// Every text of the page that a person reads and that does not come from the agent; and how numbers are written.
export const UNKNOWN = "–";
export const TEXTS = {
  live: "live",
  paused: "paused while this tab is hidden",
  connecting: "connecting …",
  lostConnection: (seconds) => `connection lost, next try in ${seconds} s`,
  age: (seconds) => `${seconds} s old`,
  wrongToken: "That token is wrong.",
  simulated: "Simulated: no real GPU is behind these numbers.",
  free: (list) => `Free now: ${list}`,
  noneFree: "No GPU is free now.",
  noProcesses: "No process on a GPU.",
  gpu: (index) => `GPU ${index}`,
  states: { starting: "starting", ok: "ok", stale: "late", stuck: "stuck", lost: "lost" },
  verdicts: { healthy: "✓ healthy", warning: "▲ warning", critical: "✖ critical" },
  unknownHealth: "? unknown",
  measures: { utilization: "GPU", memory: "Memory", temperature: "Temperature", power: "Power" },
  facts: { fan: "Fan", clocks: "Clocks", pcie: "PCIe", limits: "Held back by" },
  nothingLimits: "nothing",
  lastMinutes: (minutes) => `the last ${minutes} min`,
  overview: "All hosts",
  gpusOf: (host) => `GPUs of ${host}`,
  gpuCount: (count) => (count === 1 ? "1 GPU" : `${count} GPUs`),
  hostsUp: (up, all) => `${up} of ${all} hosts`,
  freeTile: "free",
  memoryTile: (share) => `mem ${share}`,
  wantsToken: "asks for a token: open it and give one",
  silent: "does not answer",
  unreachable: "cannot be reached",
  httpStatus: (status) => `answers with HTTP ${status}`,
  streamEnded: "the stream ended",
  more: (gpus, hosts) => `and ${gpus} more on ${hosts} ${hosts === 1 ? "host" : "hosts"}`,
  lastSeen: (time) => `, last seen ${time}`,
  userColumns: ["User", "GPUs", "Where", "Processes", "Memory"],
  columns: ["GPU", "User", "PID", "Command", "Memory", "SM", "Running", "Belongs to", "Idle"],
};

// Unknown is never 0.
export const known = (value) => value !== null && value !== undefined;

export function number(value, unit = "", digits = 0) {
  return known(value) ? `${value.toFixed(digits)}${unit}` : UNKNOWN;
}

export function memory(mib) {
  if (!known(mib)) return UNKNOWN;
  return mib >= 1024 ? `${(mib / 1024).toFixed(1)} GiB` : `${Math.round(mib)} MiB`;
}

// Both in the unit of the whole: "63.9 / 79.6 GiB".
export function memoryOf(part, whole) {
  const unit = (whole ?? part ?? 0) >= 1024 ? "GiB" : "MiB";
  const shown = (mib) => (unit === "GiB" && known(mib) ? number(mib / 1024, "", 1) : number(mib));
  return `${shown(part)} / ${shown(whole)} ${unit}`;
}

export function of(part, whole, unit) {
  return `${number(part)} / ${number(whole)} ${unit}`;
}

export function duration(seconds) {
  if (!known(seconds)) return UNKNOWN;
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor((seconds % 3600) / 60);
  if (hours >= 48) return `${Math.floor(hours / 24)} d ${hours % 24} h`;
  return hours ? `${hours} h ${minutes} min` : `${minutes} min ${Math.floor(seconds % 60)} s`;
}

// `memory_used_mb` as "memory used (mb)": names of the agent, made readable.
export function label(name) {
  return name.replaceAll("_", " ");
}
