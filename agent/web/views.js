// The view that the address asks for: comes when it is wanted, asks what it needs until it is left.
import { worded } from "./api.js";
import { read } from "./address.js";
import { signal } from "./connection.js";
import { byId } from "./draw.js";
import { changed, state } from "./state.js";

// Each has `load(state, signal)` and `render(place, state)`.
const MODULES = { gpu: () => import("./gpu.js"), users: () => import("./users.js") };
const PLACES = { host: "host-view", processes: "host-view", gpu: "gpu-view", users: "users-view" };

let view = null; // its module
let leave = new AbortController();
let isAsking = false;

// Follows the address. What another GPU told is not shown as this one's.
export async function open() {
  const before = state.view;
  state.view = read();
  const { name, index } = state.view;
  if (name !== before.name || index !== before.index) {
    leave.abort();
    leave = new AbortController();
    isAsking = false;
    state.viewFault = null;
    view = null;
    scrollTo(0, 0);
  }
  changed();
  if (!MODULES[name] || view) return;
  const mine = leave.signal;
  const module = await MODULES[name]().catch(() => null); // again with the next event
  if (mine.aborted) return;
  view = module;
  await ask();
}

// Asks what the view needs, one question at a time.
export async function ask() {
  const watching = signal();
  if (!watching || isAsking || !MODULES[state.view.name]) return;
  if (!view) return open();
  isAsking = true;
  const mine = leave.signal;
  try {
    await view.load(state, AbortSignal.any([mine, watching]));
    if (!mine.aborted) state.viewFault = null;
  } catch (error) {
    if (!mine.aborted && !watching.aborted) state.viewFault = worded(error);
  } finally {
    if (!mine.aborted) isAsking = false;
    changed();
  }
}

export function render() {
  const shown = PLACES[state.view.name];
  for (const place of new Set(Object.values(PLACES))) byId(place).hidden = place !== shown;
  document.body.dataset.view = state.view.name;
  view?.render(byId(shown), state);
}
