// The form of the answers that only some views need; see shape.js.
import { EVENT, GPU, HEALTH, flag, is, list, maybe, number, object, text } from "./shape.js";

const index = is("number");
// It may be missing, but is never null.
const optional = (shape) => (value, path) => value === undefined || shape(value, path);

// Of an older agent, without /summary.
export const GPUS = object({ gpus: list(GPU), health: maybe(HEALTH) });

export const FREE = object({
  satisfied: is("boolean"),
  gpus: list(object({ idx: index, uuid: text, name: text }, "mig_index", "free_memory_mb", "temperature_celsius")),
  passed_over: optional(list(object({ reason: is("string") }, "idx"))),
}, "withheld");

export const PROCESSES = object({
  processes: list(object(
    {
      idx: index, pid: index, username: text, name: text, command: text, type: text, mps: flag, idle_holder: flag,
      container_id: text, container_name: text, pod_uid: text, pod_name: text, pod_namespace: text,
      systemd_unit: text, user_session: text, slurm_step: text,
      job: maybe(object({ scheduler: text, id: text, name: text })),
    },
    "uid", "mig_index", "gpu_memory_mb", "sm_utilization_percent", "cpu_percent", "host_memory_mb",
    "running_seconds", "gpu_seconds_held", "gpu_seconds_used", "idle_seconds",
  )),
  unknown_idx: list(index),
});

export const USERS = object({
  users: list(object(
    {
      username: text, gpus: list(index),
      idle_holdings: maybe(object({ gpus: maybe(list(index)) }, "count", "gpu_memory_mb", "since")),
    },
    "uid", "processes", "gpu_memory_mb", "sm_utilization_percent", "gpu_seconds_held", "gpu_seconds_used",
  )),
  unknown_idx: list(index),
}, "usage_days");

export const USAGE = object({
  users: list(object(
    { username: text }, "uid", "hours_held", "hours_used", "hours_idle", "hours_told", "gpu_memory_mean_mb", "gpu_memory_peak_mb",
  )),
  since: text, first_day: text, last_day: text, zone: text,
}, "left_out", "hours_watched", "written_at");

// /history with these columns, of each GPU and of the host.
export function history(ofGpus, ofHost) {
  const columns = (names) => object(Object.fromEntries(names.map((name) => [name, maybe(list(number))])));
  return object({
    ts: list(index), devices: list(columns(ofGpus)), host: maybe(columns(ofHost)),
  }, "longest_seconds");
}

const all = (...shapes) => (value, path) => shapes.forEach((shape) => shape(value, path));
const each = (shape) => (value, path) => list(shape)(Object.values(value), path);
const table = maybe(list(object({})));

// /gpu?detail=1
export const DETAIL = all(EVENT, object({
  topology: maybe(list(maybe(list(text)))),
  gpus: list(object({
    detail: object({
      findings: maybe(list(object({ verdict: text, what: text, todo: text }))),
      unknown: maybe(each(list(is("string")))),
      performance: maybe(object({}, "sm_percent", "tensor_percent")),
      fans: table, mig_instances: table, nvlinks: table, xids: table,
    }),
  })),
}));
