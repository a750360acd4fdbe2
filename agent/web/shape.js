// Checks that an answer has the form that the page needs: an agent of another version may send another, and a proxy
// anything. A shape is a function that throws if the value at this path is another.
import { TEXTS } from "./texts.js";

// The agent sent an answer that this page does not understand.
export class OtherVersion extends Error {}

function misfit(value, path) {
  throw new OtherVersion(path ? TEXTS.otherVersion(value === undefined ? path : `valid ${path}`) : TEXTS.noAgent);
}

export const is = (type) => (value, path) => {
  if (value === null || typeof value !== type) misfit(value, path);
};
// null: unknown; an older agent does not have some values.
export const maybe = (shape) => (value, path) => {
  if (value !== null && value !== undefined) shape(value, path);
};
export const number = maybe(is("number"));
export const text = maybe(is("string"));
export const flag = maybe(is("boolean"));

export const list = (shape) => (value, path) => {
  if (!Array.isArray(value)) misfit(value, path);
  const each = `${path}[]`;
  for (const one of value) shape(one, each);
};

// `numbers`: names of fields that are a number, or unknown.
export const object = (fields, ...numbers) => (value, path) => {
  is("object")(value, path);
  const inner = path && `${path}.`;
  for (const [name, shape] of Object.entries(fields)) shape(value[name], inner + name);
  for (const name of numbers) number(value[name], inner + name);
};

const names = maybe(list(is("string")));
const verdict = maybe((value, path) => ["healthy", "warning", "critical"].includes(value) || misfit(value, path));
const judged = { verdict, reason: text, todo: text };
export const HEALTH = object({ verdict, reasons: list(is("string")) });

export const GPU = object(
  {
    id: is("number"),
    name: text,
    state: is("string"),
    error: text,
    health: HEALTH,
    memory: object({}, "used_mb", "total_mb"),
    utilization: object({}, "gpu_percent"),
    power: object({}, "usage_watts", "limit_watts"),
    clocks: object({}, "graphics_mhz", "memory_mhz"),
    pcie: object({}, "tx_throughput_mbps", "rx_throughput_mbps"),
    throttling: object({ reason_names: names, bottlenecks: names }),
    top_processes: maybe(list(object({ username: text }))),
    mig: maybe(list(object({}, "total_mb", "used_mb", "processes"))),
  },
  "age_ms", "temperature_celsius", "fan_speed_percent",
);

export const EVENT = object({
  timestamp: is("string"),
  system_info: object(
    { cpu: object({}, "cpu_percent"), memory: object({}, "percent", "used_mb", "total_mb") },
    "disk_used_gb", "disk_available_gb", "temperature_celsius",
  ),
  health: HEALTH,
  gpus: list(GPU),
});

export const SUMMARY = object({
  hostname: text,
  build: text,
  model: text,
  host: object(judged),
  gpus: list(object(
    { ...judged, idx: is("number"), model: text, state: is("string"), free: flag, kept_out: flag, users: maybe(list(text)) },
    "idle_since", "utilization_percent", "memory_used_mb", "memory_total_mb", "temperature_celsius", "power_watts",
  )),
}, "ts");

// The answer; throws if a value is of another form.
export function checked(answer, shape) {
  shape(answer, "");
  return answer;
}
