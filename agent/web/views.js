// The view that the address selects: loads its module when needed, and sends its requests until it is left.
import { worded } from "./api.js";
import { read } from "./address.js";
import { signal } from "./connection.js";
import { byId } from "./draw.js";
import { changed, state } from "./state.js";

// Each view has `load(state, signal)` and `render(place, state)`.
const MODULES = { gpu: () => import("./gpu.js"), users: () => import("./users.js") };
const PLACES = { host: "host-view", processes: "host-view", gpu: "gpu-view", users: "users-view" };

const modules = {}; // those that came, by name
let view = null; // its module
let leave = new AbortController();
let isAsking = false;

// Follows the address. Values of another GPU are never shown as those of this one.
export async function open() {
  const before = state.view;
  state.view = read();
  const { name, index } = state.view;
  const isOther = name !== before.name || index !== before.index;
  if (isOther) {
    leave.abort();
    leave = new AbortController();
    isAsking = false;
    state.viewFault = null;
    view = modules[name] ?? null;
    scrollTo(0, 0);
  }
  changed();
  if (MODULES[name] && !view) {
    const mine = leave.signal;
    const module = await MODULES[name]().catch(() => null); // again with the next event
    if (!module) return;
    modules[name] = module;
    if (mine.aborted) return;
    view = module;
    changed();
  } else if (!isOther) return;
  if (isOther) queueMicrotask(() => refocus(before)); // once it is drawn
  await ask();
}

// The focused link is gone: the focus moves to the heading, or back to the GPU that was left.
function refocus(before) {
  if (document.activeElement?.offsetParent) return; // it still shows
  const { name } = state.view;
  if (MODULES[name]) byId(PLACES[name]).querySelector("h2")?.focus({ preventScroll: true });
  else if (before.name === "gpu") byId("gpus").querySelector(`[data-key="${before.index}"] a`)?.focus();
}

// Sends the requests of the view, one at a time.
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
  const { name } = state.view;
  const shown = PLACES[name];
  const isComing = name in MODULES && !view; // what stands in its place is of before
  for (const place of new Set(Object.values(PLACES))) byId(place).hidden = place !== shown || isComing;
  document.body.dataset.view = name;
  view?.render(byId(shown), state);
}
