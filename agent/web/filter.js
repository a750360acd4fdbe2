// Applies the filters in the address to all hosts. true: it matches; false: it does not; null: unknown now.
import { isDown, isLive } from "./fleet.js";
import { known } from "./texts.js";

const has = (text, part) => text.toLowerCase().includes(part.toLowerCase());
const isBad = (verdict) => (known(verdict) ? verdict !== "healthy" : null);

// false if any is false, true only if all are true, else null.
const all = (answers) => (answers.includes(false) ? false : answers.includes(null) ? null : true);
const any = (answers) => (answers.includes(true) ? true : answers.includes(null) ? null : false);

// Whether one of these names contains this text; a name can be null (unknown).
export function isOf(users, name) {
  return users === null ? null : any(users.map((user) => (user === null ? null : has(user, name))));
}

// `gpu`: one of the summary of `host`.
export function gpuFits(gpu, host, { only, user, model }) {
  const now = (value) => (isLive(host) ? value : null);
  const kind = gpu.model ?? host.summary.model ?? null;
  return all([
    only === "free" ? now(gpu.free) : only === "trouble" ? now(isBad(gpu.verdict)) : true,
    user ? now(isOf(gpu.users, user)) : true,
    model ? (kind === null ? null : has(kind, model)) : true,
  ]);
}

export function hostFits(host, view) {
  if (view.node && !has(host.name, view.node)) return false;
  if (view.only === "down") return isDown(host);
  if (!view.only && !view.user && !view.model) return true;
  if (!isLive(host)) return null;
  const isTrouble = view.only === "trouble" && !view.user && !view.model && isBad(host.summary.host.verdict) === true;
  // If the host reports its state, an unknown value of one GPU does not make the host match.
  return isTrouble || host.summary.gpus.some((gpu) => gpuFits(gpu, host, view));
}
