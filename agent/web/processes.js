// The table of processes: filtered by user and GPU, sorted by any column.
import { get } from "./api.js";
import { element, show } from "./draw.js";
import { TEXTS, UNKNOWN, duration, known, memory, number } from "./texts.js";

// The nearest thing that a process belongs to.
function belongs(process) {
  const { job } = process;
  if (job) return TEXTS.job(job.scheduler, job.id, job.name);
  const way = Object.keys(TEXTS.belongs).find((field) => process[field]);
  if (!way) return null;
  const name = way === "container_id" ? process[way].slice(0, 12) : process[way]; // as docker ps writes it
  return `${TEXTS.belongs[way]} ${name}`.trim();
}

function idleMark(seconds, { idle_holder }) {
  if (!known(idle_holder)) return UNKNOWN;
  return idle_holder ? `▲ ${TEXTS.idleFor(duration(seconds))}` : "";
}

const gpuOrInstance = (idx, { mig_index }) => (known(mig_index) ? TEXTS.mig(idx, mig_index) : `${idx}`);

// By the name of its text: the field shown and compared, and how it is written.
const COLUMNS = {
  gpu: { field: "idx", write: gpuOrInstance, numeric: true },
  user: { field: "username" },
  pid: { field: "pid", numeric: true },
  command: { field: "command" },
  memory: { field: "gpu_memory_mb", write: (mib) => memory(mib), numeric: true },
  sm: { field: "sm_utilization_percent", write: (percent) => number(percent, " %"), numeric: true },
  cpu: { field: "cpu_percent", write: (percent) => number(percent, " %"), numeric: true },
  hostMemory: { field: "host_memory_mb", write: (mib) => memory(mib), numeric: true },
  running: { field: "running_seconds", write: duration, numeric: true },
  belongs: { field: "belongs" },
  idle: { field: "idle_seconds", write: idleMark },
};

let processes = [];
let unknown = []; // indices of the GPUs whose processes are not known
let fault = null; // why none are
let order = { column: "gpu", descending: false };

export async function load(signal) {
  const answer = await get("processes", signal);
  processes = answer.processes.map((process) => ({ ...process, belongs: belongs(process) }));
  unknown = answer.unknown_idx;
  fault = null;
}

export function forget(why) {
  processes = [];
  unknown = [];
  fault = why;
}

// What is unknown comes last, whichever way.
function compare(one, other) {
  const { field } = COLUMNS[order.column];
  const [left, right] = [one[field], other[field]];
  if (!known(left) || !known(right)) return known(right) - known(left);
  const difference = typeof left === "number" ? left - right : `${left}`.localeCompare(`${right}`);
  return order.descending ? -difference : difference;
}

// `changed` is called when another order is wanted.
export function headings(row, changed) {
  const heading = (column) => {
    const button = element("button.sort", { type: "button" }, TEXTS.columns[column]);
    button.addEventListener("click", () => {
      order = { column, descending: order.column === column && !order.descending };
      for (const other of row.children) other.removeAttribute("aria-sort");
      button.parentNode.setAttribute("aria-sort", order.descending ? "descending" : "ascending");
      changed();
    });
    const attributes = {
      scope: "col",
      class: COLUMNS[column].numeric ? "numeric" : null,
      "aria-sort": column === order.column && "ascending",
    };
    return element("th", attributes, button);
  };
  row.replaceChildren(...Object.keys(COLUMNS).map(heading));
}

function line(process) {
  const cell = ([column, { field, write, numeric }]) => {
    const value = process[field];
    const text = write ? write(value, process) : `${value ?? UNKNOWN}`;
    return element("td", { class: numeric ? "numeric" : column, title: column === "command" ? text : null }, text);
  };
  return element("tr", {}, Object.entries(COLUMNS).map(cell));
}

// `user`: a part of the name will do; `gpu`: an index, or "" for all.
export function render(body, note, user, gpu) {
  const wanted = user.toLowerCase();
  const shown = processes.filter((process) => {
    const isTheirs = (process.username ?? "").toLowerCase().includes(wanted);
    return isTheirs && (gpu === "" || process.idx === Number(gpu));
  });
  show(body, ...shown.sort(compare).map(line));
  const notes = [fault];
  if (unknown.length) notes.push(TEXTS.processesUnknown(unknown.join(", ")));
  else if (!shown.length && !fault) notes.push(processes.length ? TEXTS.noneSelected : TEXTS.noProcesses);
  note.textContent = notes.filter(known).join(" ");
}
