// The table of processes: filtered by user and GPU, sorted by any column; a click on a PID opens the details.
import { replace, to } from "./address.js";
import { byId, element, show } from "./draw.js";
import { isOf } from "./gpus.js";
import { comparing, order } from "./order.js";
import { processesNow } from "./state.js";
import { UNKNOWN, duration, known, memory, number } from "./texts.js";
import { WORDS } from "./words.js";

const MOST = 40; // rows until all are asked for: thousands would make each change slow

// The innermost thing that a process belongs to: job, container, pod, service or session.
export function belongs(process) {
  const { job } = process;
  if (job) return WORDS.job(job.scheduler, job.id, job.name);
  const way = Object.keys(WORDS.belongs).find((field) => process[field]);
  if (!way) return null;
  const name = way === "container_id" ? process[way].slice(0, 12) : process[way]; // as docker ps writes it
  return `${WORDS.belongs[way]} ${name}`.trim();
}

function idleMark(seconds, { idle_holder }) {
  if (!known(idle_holder)) return UNKNOWN;
  return idle_holder ? `▲ ${WORDS.idleFor(duration(seconds))}` : "";
}

// For a user without a name the uid, like `ps` and `ls`.
export const nameOrNumber = (name, { uid }) => `${name ?? uid ?? UNKNOWN}`;

const gpuOrInstance = (idx, { mig_index }) => (known(mig_index) ? WORDS.mig(idx, mig_index) : `${idx}`);

// The columns by the name of their text: the field that is shown and compared, and its format.
const COLUMNS = {
  gpu: { field: "idx", write: gpuOrInstance, numeric: true },
  user: { field: "username", write: nameOrNumber },
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

let unfolding = null; // process.js, once a row was unfolded
let showsAll = false;

// `changed` is called when the address has changed.
export function prepare(changed) {
  const change = (choices) => {
    replace(choices);
    changed();
  };
  byId("filter-user").addEventListener("input", () => change({ user: byId("filter-user").value }));
  byId("filter-gpu").addEventListener("input", () => change({ gpu: byId("filter-gpu").value }));
  byId("columns").addEventListener("click", ({ target }) => {
    const { column } = target.closest("th")?.dataset ?? {};
    if (!column || !target.closest("button")) return;
    const isSame = target.closest("th").ariaSort === "ascending";
    change({ sort: `${isSame ? "-" : ""}${column}` });
  });
  byId("processes-note").addEventListener("click", ({ target }) => {
    if (target.closest("button")) showsAll = true;
    changed();
  });
  byId("processes").addEventListener("click", ({ target }) => {
    const button = target.closest("button.unfold");
    if (button) change({ open: button.ariaExpanded === "true" ? null : button.closest("tr").dataset.key });
  });
}

function headings({ column, descending }) {
  return Object.entries(COLUMNS).map(([name, { numeric }]) =>
    element(
      "th",
      {
        scope: "col",
        class: `${name}${numeric ? " numeric" : ""}`,
        "data-column": name,
        "aria-sort": name === column && (descending ? "descending" : "ascending"),
      },
      element("button.sort", { type: "button" }, WORDS.columns[name]),
    ));
}

function line(process, isNow, open) {
  const isOpen = process.key === open;
  const cell = ([column, { field, write, numeric }]) => {
    const value = process[field];
    const isWithdrawn = column === "user" && !isNow; // whose it was then is not whose it is now
    const text = isWithdrawn ? UNKNOWN : write ? write(value, process) : `${value ?? UNKNOWN}`;
    const content = column === "pid"
      ? element("button.unfold", { type: "button", "aria-expanded": `${isOpen}`, title: WORDS.unfold }, text)
      : text;
    return element("td", { class: `${column}${numeric ? " numeric" : ""}`, title: column === "command" && text }, content);
  };
  return element("tr", { "data-key": process.key, class: isOpen && "open" }, Object.entries(COLUMNS).map(cell));
}

function unfolded(process, state) {
  if (!unfolding) {
    import("./process.js").then((module) => (unfolding = module), () => null); // it shows with the next change
    return [];
  }
  const cell = element("td", { colspan: Object.keys(COLUMNS).length }, unfolding.unfolded(process, state));
  return [element("tr.unfolded", { "data-key": `${process.key} unfolded` }, cell)];
}

// The processes of the user and the GPU in the address; the view of one GPU shows only its processes.
function selected({ processes, view }) {
  const gpu = view.index ?? (view.gpu === null ? null : Number(view.gpu));
  return processes.filter((one) => (!view.user || isOf(one, view.user)) && (gpu === null || one.idx === gpu));
}

let shown = null; // what the table was made of: it changes less often than the page is drawn

export function render(state) {
  const { view, processes, processesUnknown, processesFault } = state;
  const isNow = processesNow() !== null;
  const basis = [processes, processesUnknown, processesFault, view, isNow, showsAll];
  if (!view.open && shown?.every((one, place) => one === basis[place])) return;
  shown = basis;
  const sorted = order(view, COLUMNS, "gpu");
  const compare = comparing((one) => one[COLUMNS[sorted.column].field], sorted.descending);
  const all = processes ? selected(state).map((one) => ({ ...one, belongs: belongs(one) })).sort(compare) : [];
  const rows = showsAll ? all : all.slice(0, MOST);
  show(byId("columns"), ...headings(sorted));
  show(byId("processes"), ...rows.flatMap((process) => [
    line(process, isNow, view.open),
    ...(process.key === view.open ? unfolded(process, state) : []),
  ]));
  note(state, all.length, all.length - rows.length);
  filters(view);
}

function note({ processes, processesUnknown, processesFault }, count, hidden) {
  const notes = [processesFault].filter(Boolean);
  if (processesUnknown.length) notes.push(WORDS.processesUnknown(processesUnknown.join(", ")));
  else if (!count && !processesFault) notes.push(processes?.length ? WORDS.noneSelected : WORDS.noProcesses);
  const more = hidden ? [element("button", { type: "button" }, WORDS.moreProcesses(hidden))] : [];
  show(byId("processes-note"), notes.join(" "), ...more);
}

// Text that is being typed is not overwritten.
function filters({ name, user, gpu }) {
  for (const [id, value] of [["filter-user", user], ["filter-gpu", gpu]]) {
    if (document.activeElement !== byId(id)) byId(id).value = value ?? "";
  }
  byId("filter-gpu").placeholder = WORDS.all;
  byId("of-gpu").hidden = name === "gpu";
}
