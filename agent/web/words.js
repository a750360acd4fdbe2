// The texts of the views that come when they are wanted, and how any value is written; see texts.js.
import { UNKNOWN, known, memory, number, throughput, words } from "./texts.js";

const ended = (text) => text.replace(/\.?$/, ".");

export const WORDS = {
  // what is free, and the processes
  all: "all",
  noProcesses: "No process on a GPU.",
  noneSelected: "No process matches the filters.",
  processesUnknown: (gpus) => `The processes of GPU ${gpus} are unknown now.`,
  others: (count) => `and ${count} more`,
  take: "Take",
  copy: { cuda: ["Copy CUDA", "_VISIBLE_DEVICES"], docker: ["Copy docker", " run"] },
  copied: "Copied.",
  selected: "Not copied: press Ctrl+C to copy what is selected.",
  notReserved: "Free now, not reserved.",
  columns: {
    gpu: "GPU", user: "User", pid: "PID", command: "Command", memory: "GPU memory",
    sm: "SM", cpu: "CPU", hostMemory: "Host memory", running: "Running", belongs: "Belongs to", idle: "Idle",
  },
  // what is needed
  need: { count: "I need", gb: "GPUs with", model: "GB, model" },
  // of a field whose words before it continue those of the field before
  needNames: { gb: "memory of each in GB", model: "model" },
  needLine: "GPUs that I need",
  find: "Find",
  close: "Close",
  whoCan: "Hosts that can offer them",
  needed: (count) => (count === 1 ? "1 GPU" : `${count} GPUs`),
  withMemory: (gb) => `with ${gb} GB`,
  atLeastFree: (memory) => `${memory} free or more`,
  canGive: (can, all) => (all === 1 ? (can ? "This host can offer them now." : "This host cannot offer them now.") : `${can} of ${all} hosts can offer them now.`),
  untoldHosts: (hosts, which) => ended(`Unknown for ${hosts === 1 ? "one host" : `${hosts} hosts`}: ${which}`),
  noInstances: "MIG instances are not counted.",
  notTaken: (text) => `The address asks for "${text}", which is not a number of GPUs, memory in GB and model.`,
  copySsh: "Copy ssh",
  // what is awaited
  tellMe: "Tell me when …",
  awaiting: (count) => `Tell me when … (${count})`,
  offers: {
    need: (wish) => `I can have ${wish}`, noNeed: "I can have what I need: fill in the line first",
    critical: "a GPU or host turns critical", down: "a host goes down", thisDown: "this host goes down",
  },
  awaits: {
    need: (wish) => `I can have ${wish}.`,
    critical: (host) => (host ? `${host} or one of its GPUs turns critical.` : "A GPU or host turns critical."),
    down: (host) => `${host ?? "A host"} goes down.`,
    ends: (pid, name, host) => `Process ${pid} (${name}) on ${host} ends.`,
  },
  came: {
    need: (host, gpus, wish) => `${host} has ${wish}: ${gpus}. Free now, not reserved.`,
    critical: (host, called, why) => `${host}, ${called} is critical: ${why}.`,
    down: (host, why) => ended(`${host} is down: ${why}`),
    cutOff: "No host can be reached: this browser's network may be down.",
    ends: (pid, name, host) => `Process ${pid} (${name}) is no longer on a GPU of ${host}.`,
  },
  stop: "Stop",
  untoldBy: (hosts) => `Unknown for ${hosts === 1 ? "one host" : `${hosts} hosts`} now.`,
  background: "The page asks the hosts while this tab is open; in the background, once a minute.",
  noNotices: "No system notification: a browser allows them only over HTTPS.",
  https: "How to serve HTTPS",
  noticesDenied: "No system notification: this browser blocks them for this page.",
  noticesAsked: "At the first choice the browser asks whether this page may show system notifications.",
  noticesToo: "A system notification is shown too.",
  noticeTitle: "GPUs",
  seen: "Seen",
  tellEnd: "Tell me when it ends",
  mig: (gpu, instance) => `${gpu} MIG ${instance}`,
  job: (scheduler, id, name) => [WORDS.schedulers[scheduler] ?? scheduler, id, name].filter(Boolean).join(" "),
  schedulers: {
    __proto__: null, slurm: "Slurm job", pbs: "PBS job", lsf: "LSF job", oar: "OAR job", nomad: "Nomad allocation", htcondor: "HTCondor",
  },
  belongs: {
    pod_name: "pod", pod_uid: "pod", container_name: "container", container_id: "container",
    systemd_unit: "", user_session: "session",
  },
  idleFor: (time) => `idle for ${time}`,
  unfold: "Show the details of this process",
  moreProcesses: (count) => `Show ${count} more`,
  // one GPU
  allGpus: "All GPUs",
  previous: "Previous GPU",
  next: "Next GPU",
  noGpu: (index) => `There is no GPU ${index} on this host.`,
  now: "now",
  yes: "yes",
  no: "no",
  none: "none",
  outOf: (limit) => ` of ${limit}`,
  connected: "Connected by",
  andMore: "And more",
  // why a value is unknown
  unknown: {
    __proto__: null,
    no_permission: "The driver does not permit the agent to read it",
    impossible: "The driver reported an impossible number",
    needs_two_samples: "It needs two samples, and there is only one so far",
    nothing_is_remembered: "The agent keeps no history, or has not seen it yet",
    not_read: "The GPU cannot be read",
  },
  // charts
  charts: {
    utilization: "Utilization", sm: "SM activity", memory: "Memory", temperature: "Temperature",
    power: "Power draw", clocks: "Clocks", pcie: "PCIe", fan: "Fan", hostCpu: "Host CPU",
    hostMemory: "Host memory",
  },
  lines: {
    sm: "all", tensor: "tensor cores", graphics: "graphics", memory: "memory", sent: "sent", received: "received",
  },
  chartRanges: "Time range of the charts",
  span: (minutes) => ({ 1440: "24 h", 129600: "90 days" })[minutes] ?? `${minutes} min`,
  cursor: "Time of the shown values",
  ago: (time) => `${time} ago`,
  spread: (least, most, mean) => `${least} to ${most}, mean ${mean}`,
  // every GPU of all hosts
  ofGpus: {
    host: "Host", gpu: "GPU", verdict: "Verdict", free: "Free", utilization: "Utilization", freeMemory: "Free memory",
    temperature: "Temperature", power: "Power", users: "Users", idle: "Idle", model: "Model",
  },
  // users of a host
  ofUsers: {
    user: "User", gpus: "GPUs now", processes: "Processes", memory: "GPU memory", sm: "SM", held: "Held",
    used: "Used", idle: "Idle holders",
  },
  idleSince: (time, moment) => `idle for ${time}, since ${moment}`,
  since: (moment) => `since ${moment}`,
  notKnownOf: (hosts) => `Unknown or incomplete: the users of ${hosts}.`,
  noUsers: "Nobody has had a process on a GPU since the agent started.",
  usersUnknown: "It is unknown now who holds a GPU.",
  sinceStart: "Held and used: GPU hours since the agent started, in sampled time. Click a user to see their GPUs and processes.",
  // what users had over days
  hours: "GPU hours",
  hoursOf: { user: "User", held: "Held", used: "Used", idle: "Held idle", memory: "GPU memory" },
  spans: "Counted days",
  lastDays: (days) => `${days} days`,
  csv: "Save as CSV",
  unknownOwner: "owner unknown",
  ofTold: (time) => `of ${time} known`,
  meanAndMost: (mean, most) => `${mean}, at most ${most}`,
  days: (first, last, zone) => `${first} to ${last} (${zone}).`,
  countedSince: (day) => `Counted since ${day}.`,
  countedUpTo: (moment) => `Counted up to ${moment}.`,
  notCountedYet: "Nothing has been counted since the agent started.",
  nothingCounted: "Nothing has been counted for these days yet.",
  noHours: "Nobody had a process on a GPU on these days.",
  hoursMean: "Held: GPU hours with a process, in sampled time. Used: SM utilization multiplied by held time, where the driver reports it.",
  // one process
  ofProcess: {
    name: "Program", owner: "Owner", kind: "Kind", started: "Started", container: "Container", pod: "Pod", job: "Job",
    unit: "Service", session: "Session", cpu: "CPU", memory: "Host memory", gpus: "On", held: "GPU held",
    used: "GPU used", idle: "Idle on this host for",
  },
  kinds: { __proto__: null, C: "compute", G: "graphics", "C+G": "compute and graphics" },
  viaMps: (kind) => `${kind}, through MPS`,
  startedAt: (moment, time) => `${moment}, ${time} ago`,
  step: (step) => `step ${step}`,
  onGpu: (memory, sm) => `${memory}, SM ${sm}`,
  copyPid: "Copy PID",
  copyCommand: "Copy command",
};

// How a value is written, by the end of its name.
const UNITS = {
  _celsius: (value) => number(value, " °C"),
  _watts: (value) => number(value, " W", 1),
  _mhz: (value) => number(value, " MHz"),
  _percent: (value) => number(value, " %", Number.isInteger(value) ? 0 : 1),
  _mb: (value) => memory(value),
  _mbps: (value) => throughput(value),
  _joules: (value) => number(value / 3.6e6, " kWh", 2),
  _ms: (value) => number(value, " ms"),
};

const unitOf = (name) => Object.keys(UNITS).find((end) => name.endsWith(end));

// "memory_used_mb" as "Memory used".
export function label(name) {
  const text = words(name.slice(0, name.length - (unitOf(name) ?? "").length));
  return text.charAt(0).toUpperCase() + text.slice(1);
}

export function written(name, value) {
  if (!known(value)) return UNKNOWN;
  if (typeof value === "boolean") return value ? WORDS.yes : WORDS.no;
  if (Array.isArray(value)) {
    return value.map((one) => (typeof one === "string" ? words(one) : `${one}`)).join(", ") || WORDS.none;
  }
  if (typeof value !== "number") return `${value}` || UNKNOWN;
  const unit = unitOf(name);
  return unit ? UNITS[unit](value) : Number.isInteger(value) ? `${value}` : number(value, "", 1);
}
