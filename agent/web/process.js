// The details of one process: all that is known about it, its container, pod or job, and its use of each GPU.
import { to } from "./address.js";
import { element, facts, styled } from "./draw.js";
import { isLive, processesNow } from "./state.js";
import { TEXTS, UNKNOWN, duration, known, memory, number } from "./texts.js";
import { WORDS } from "./words.js";

await styled("process.css");

const WHEN = { dateStyle: "medium", timeStyle: "short" };

// A name with its id, or whichever of the two is known.
const both = (name, number) => (known(name) && known(number) ? `${name} (${number})` : name ?? number);

function owner({ username, uid }) {
  if (!isLive()) return UNKNOWN; // whose it was is not whose it is now
  const shown = username ?? uid;
  return known(shown) ? element("a", { href: to({ user: shown }, "") }, `${both(username, uid)}`) : UNKNOWN;
}

function started({ running_seconds: seconds }, { event }) {
  if (!known(seconds)) return UNKNOWN;
  const moment = new Date(Date.parse(event.timestamp) - seconds * 1000);
  return WORDS.startedAt(moment.toLocaleString([], WHEN), duration(seconds));
}

function job({ job: found, slurm_step: step }) {
  return found && [WORDS.job(found.scheduler, found.id, found.name), known(step) && WORDS.step(step)].filter(Boolean).join(", ");
}

// A process has a row for each GPU and each instance that it is on.
function gpus(process, { processes }) {
  const same = (processes ?? []).filter(({ pid }) => pid === process.pid);
  return element("ul", {}, same.map(({ idx, mig_index: instance, gpu_memory_mb: mib, sm_utilization_percent: sm }) => {
    const where = known(instance) ? WORDS.mig(TEXTS.gpu(idx), instance) : TEXTS.gpu(idx);
    const use = WORDS.onGpu(memory(mib), number(sm, " %"));
    return element("li", {}, element("a", { href: to({}, `#gpu${idx}`) }, where), `: ${use}`);
  }));
}

// A missing pod, job or container has no line.
function values(process, state) {
  const { gpu_seconds_held: held, gpu_seconds_used: used, type } = process;
  const time = (seconds) => (known(seconds) ? duration(seconds) : UNKNOWN);
  const kind = WORDS.kinds[type] ?? UNKNOWN;
  const found = {
    name: process.name ?? UNKNOWN,
    owner: owner(process),
    kind: process.mps ? WORDS.viaMps(kind) : kind,
    started: started(process, state),
    container: both(process.container_name, process.container_id),
    pod: both([process.pod_namespace, process.pod_name].filter(known).join("/") || null, process.pod_uid),
    job: job(process),
    unit: process.systemd_unit,
    session: process.user_session,
    cpu: number(process.cpu_percent, " %"),
    memory: memory(process.host_memory_mb),
    gpus: gpus(process, state),
    held: time(held),
    used: time(used),
    idle: time(process.idle_seconds),
  };
  return Object.entries(found).filter(([, value]) => known(value)).map(([name, value]) => [WORDS.ofProcess[name], value]);
}

const copy = (text, name) => (known(text) ? element("button.copy", { type: "button", "data-copy": text }, name) : null);

// tell.js handles the button.
function tellEnd(process, { processes }) {
  if (processesNow() === null) return null;
  const gpus = processes.filter(({ pid }) => pid === process.pid).map(({ idx }) => idx);
  const awaited = JSON.stringify({ pid: process.pid, name: process.name ?? UNKNOWN, gpus });
  return element("button", { type: "button", "data-await": awaited }, WORDS.tellEnd);
}

// The element below its row; `process` is a row of /processes.
export function unfolded(process, state) {
  return [
    element("p.command-line", {}, element("code", {}, process.command ?? UNKNOWN)),
    element("p", {}, copy(`${process.pid}`, WORDS.copyPid), " ", copy(process.command, WORDS.copyCommand), " ", tellEnd(process, state)),
    element("dl.facts", {}, facts(values(process, state))),
  ];
}
