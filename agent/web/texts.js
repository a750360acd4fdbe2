// Every text of the first view, except texts from the agent; and the format of values. What is looked up by a word of
// an agent has no prototype, or "constructor" would be found in it.
export const UNKNOWN = "–";
export const TEXTS = {
  // static texts, by the name in data-text
  allHosts: "← All hosts",
  simulated: "These GPUs are simulated.",
  token: "Token of this agent",
  remember: "Remember the token in this browser",
  login: "Show the GPUs",
  gpus: "GPUs",
  processes: "Processes",
  filterUser: "User",
  filterGpu: "GPU",
  hosts: "Hosts",
  users: "Users",
  // connection
  phases: {
    connecting: "connecting …", live: "live", late: "no new values", lost: "not live",
    paused: "paused while this tab is hidden", login: "", broken: "page error", fleet: "",
  },
  titlePhases: { lost: "lost", late: "no new values", broken: "page error", connecting: "", paused: "paused", login: "" },
  nextTry: (seconds) => `next try in ${seconds} s`,
  trying: "trying …",
  tryNow: "Try now",
  retryToken: "Try the remembered token again",
  forgetToken: "Forget the remembered token",
  filters: "Filters",
  views: "Views",
  // errors of the page
  otherVersion: (field) => `The answer has no ${field}: the agent has another version than this page. Reload the page.`,
  pageFault: "This page has an error; what it shows may be wrong. Reload the page; the browser console has the details.",
  otherBuild: "The agent has another version of this page. Reload the page.",
  age: (seconds) => `${seconds} s old`,
  wrongToken: "That token is wrong.",
  onlyStream: "This page needs the TOKEN of the agent; an API key opens only the stream.",
  unreachable: "The agent cannot be reached",
  silent: "The agent does not answer",
  noAgent: "The answer does not come from an agent",
  httpStatus: (status) => `The agent answers with HTTP ${status}`,
  streamEnded: "The stream ended",
  theme: "Theme",
  themes: { auto: "◐ System", dark: "● Dark", light: "○ Light" },
  // values that the driver failed to report
  error: "ERR",
  errorOf: (why) => `ERR (${why})`,
  // one host
  part: (some, all) => `${some} of ${all}`,
  freeNow: "Free now",
  noneFree: "No GPU is free now.",
  noneKnownFree: (gpus) => `No GPU is known to be free. Unknown: GPU ${gpus}.`,
  withheld: (count) => `${count} withheld for waiting requests.`,
  gpu: (index) => `GPU ${index}`,
  title: (busiest, index, host) => `${busiest} GPU ${index} · ${host}`,
  titleNotices: (count, title) => `(${count}) ${title}`,
  titleUnknown: (host, why) => [`${UNKNOWN} ${host}`, why].filter(Boolean).join(" · "),
  states: { __proto__: null, starting: "… starting", asleep: "☾ asleep", stale: "◔ overdue", stuck: "✖ stuck", lost: "✖ lost" },
  verdicts: { __proto__: null, healthy: "✓ healthy", warning: "▲ warning", critical: "✖ critical", unknown: "? unknown" },
  free: "free",
  measures: { utilization: "Utilization", memory: "Memory", temperature: "Temperature", power: "Power" },
  mute: "Mute",
  unmute: "Unmute",
  mutedLines: (count) => `${count} muted, until a change`,
  keptOut: "kept out by the operator", // in the agent's words
  aside: "kept out",
  counts: { free: "Free", busy: "Busy", trouble: "Trouble", down: "Down" },
  unknownToo: (count) => `${count} unknown`,
  unknownHosts: (count) => `${count} ${count === 1 ? "host" : "hosts"} unknown`,
  theHost: "Host",
  gone: "no longer there",
  becomes: (name, word) => `${name}: ${word}`,
  copiedText: "Text to copy",
  host: { gpus: "GPUs", cpu: "CPU", memory: "Memory", disk: "Disk", temperature: "Temperature", driver: "Driver", cuda: "CUDA" },
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
  aged: (seconds) => `? ${seconds} s old`,
  busy: (percent) => `${percent} busy`,
  hidden: (gpus) => `${gpus} hidden by the filter.`,
  notFiltered: "Not filtered: the values that the filter needs are unknown now.",
  showAll: "Show all",
  noInstance: "MIG mode, no instance",
  instancesNotKnown: "MIG mode, instances unknown",
  freeInstances: (count) => `${count} free`,
  instances: "MIG instances",
  instance: (index, profile) => `MIG ${index}${profile ? ` (${profile})` : ""}`,
  processesOf: (count) => (count === "1" ? "1 process" : `${count} processes`),
  processesNotKnown: "processes unknown",
  // many hosts
  overview: "All hosts",
  asked: (seconds) => `each host is asked every ${seconds} s`,
  gpusOf: (host) => `GPUs of ${host}`,
  model: "Model",
  totals: { hosts: "Hosts", gpus: "GPUs", utilization: "Utilization", memory: "Memory", power: "Power" },
  hostsLive: (live, all) => `${live} of ${all} live`,
  titleFleet: (live, all, worst) => `${worst ? `${TEXTS.hostVerdicts[worst]} · ` : ""}${live} of ${all} hosts`,
  hostVerdicts: { down: "✖ down", critical: "✖ critical", warning: "▲ warning" },
  oldest: (seconds) => `values at most ${seconds} s old`,
  page: (page, pages) => `page ${page} of ${pages}`,
  andMore: (count) => `and ${count} more`,
  well: "no trouble",
  noTrouble: "No trouble is known.",
  noGpus: "no GPU",
  wantsToken: "needs a token: open this host and enter its token",
  down: (why) => `✖ ${why}`,
  tileMemory: (share) => `mem ${share}`,
  idleHolders: (count, memory) => `${TEXTS.processesOf(`${count}`)} ${count === 1 ? "holds" : "hold"} ${memory}`,
};
// Words in the agent's names that are written differently.
const WRITTEN = {
  __proto__: null, pcie: "PCIe", pci: "PCI", gpu: "GPU", sm: "SM", dram: "DRAM", ecc: "ECC", mig: "MIG", uuid: "UUID",
  vbios: "VBIOS", id: "ID", bar1: "BAR1", jpeg: "JPEG", ofa: "OFA", nvlinks: "NVLinks", xids: "XIDs", xid: "XID", pid: "PID", nvml: "NVML",
  crc: "CRC", todo: "what to do", tx: "sent", rx: "received", reasons: "reason bits",
  gsp: "GSP", sram: "SRAM", l2: "L2", secded: "SEC-DED", fps: "frames per second",
  hw: "hardware", sw: "software", max: "maximum",
};

// Unknown is never 0.
export const known = (value) => value !== null && value !== undefined;

export function number(value, unit = "", digits = 0) {
  // No line break between a number and its unit.
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

// "sw_power_cap" as "software power cap".
export function words(name) {
  return name.split("_").map((word) => WRITTEN[word] ?? word).join(" ");
}
