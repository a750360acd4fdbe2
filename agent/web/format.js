// Numbers for people. Unknown is never 0.
import { UNKNOWN } from "./texts.js";

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
