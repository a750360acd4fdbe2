// The table of processes, filtered by user and GPU. What comes from outside goes in as text.
import { get } from "./api.js";
import { element } from "./cards.js";
import { TEXTS, UNKNOWN, duration, memory, number } from "./texts.js";

let processes = [];

function belongs(process) {
  const ways = [
    ["slurm", process.slurm_job_id],
    ["pod", process.pod_uid],
    ["container", process.container_name ?? process.container_id?.slice(0, 12)],
    ["", process.systemd_unit],
    ["session", process.user_session],
  ];
  const found = ways.find(([, value]) => value);
  return found ? found.join(" ").trim() : UNKNOWN;
}

export function columns(row) {
  for (const name of TEXTS.columns) {
    const cell = element("th", "", name);
    cell.scope = "col";
    row.append(cell);
  }
}

export async function load(signal) {
  processes = (await get("processes", signal)).processes;
}

export function render(body, note, user, gpu) {
  const shown = processes.filter(
    (process) => (!user || (process.username ?? "").includes(user)) && (gpu === "" || process.idx === Number(gpu)),
  );
  body.replaceChildren(
    ...shown.map((process) => {
      const row = element("tr");
      const command = element("td", "command", process.command ?? UNKNOWN);
      command.title = process.command ?? "";
      row.append(
        element("td", "", `${process.idx}`),
        element("td", "", process.username ?? UNKNOWN),
        element("td", "", `${process.pid}`),
        command,
        element("td", "", memory(process.gpu_memory_mb)),
        element("td", "", number(process.sm_utilization_percent, " %")),
        element("td", "", duration(process.running_seconds)),
        element("td", "", belongs(process)),
        element("td", "idle", process.idle_holder ? duration(process.idle_seconds) : ""),
      );
      return row;
    }),
  );
  note.hidden = shown.length > 0;
  note.textContent = TEXTS.noProcesses;
}
