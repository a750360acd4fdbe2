// All hosts on one page: what counts in the bar, what is wrong, and the view that the address asks for. Their state is
// that of fleet.js; a part that goes with neither view mounts where `mounted` is told of it, in a place of the shell.
import { read, replace, to } from "./address.js";
import * as bar from "./bar.js";
import { byId, element, facts, named, show, styled } from "./draw.js";
import { fleet, isDown, isLive, on, watch as ask } from "./fleet.js";
import * as hosts from "./hosts.js";
import { changed, state } from "./state.js";
import { TEXTS, UNKNOWN, known, memory, number } from "./texts.js";
import { line, troubles } from "./troubles.js";

await styled("overview.css");

const PAUSE = 200; // milliseconds in which what changes is drawn together

// Each has `render(place)`, `renderHost(place, host)` for one that changed, and `renderAges(place)`.
const VIEWS = { host: async () => hosts };
const FILTERS = { node: "theHost", user: "filterUser", model: "model" };

let view = null; // its module; null: it did not come yet

const sum = (values) => (values.length ? values.reduce((total, value) => total + value, 0) : null);
const mean = (values) => (values.length ? sum(values) / values.length : null);

// What is known of all, and of how many hosts it is not.
function counts(all) {
  const live = fleet.hosts.filter(isLive);
  const down = fleet.hosts.filter(isDown).length;
  const untold = fleet.hosts.length - live.filter(({ summary }) => summary.gpus.every(({ free }) => known(free))).length;
  const free = sum(live.map(({ summary }) => summary.gpus.filter((gpu) => gpu.free).length));
  const isAsked = live.length + down > 0;
  return {
    free: live.length ? [free, untold] : null,
    trouble: isAsked ? [sum(all.map(({ whom }) => whom.length || 1)) ?? 0, 0] : null,
    down: isAsked ? [down, 0] : null,
  };
}

function totals(live) {
  const gpus = live.flatMap(({ summary }) => summary.gpus);
  const values = (field) => gpus.map((gpu) => gpu[field]).filter(known);
  const all = sum(values("memory_total_mb"));
  const watts = sum(values("power_watts"));
  return named(TEXTS.totals, {
    hosts: TEXTS.part(live.length, fleet.hosts.length),
    gpus: live.length ? `${gpus.length}` : UNKNOWN,
    utilization: number(mean(values("utilization_percent")), " %"),
    memory: TEXTS.part(memory(sum(values("memory_used_mb")), all), memory(all)),
    power: known(watts) ? number(watts / 1000, " kW", 1) : UNKNOWN,
  });
}

// The parts that stand above each view.
function renderShared() {
  const live = fleet.hosts.filter(isLive);
  const all = troubles();
  const pairs = totals(live);
  const [worst] = all;
  bar.fleet({ live: live.length, all: fleet.hosts.length, worst: worst?.verdict, every: fleet.interval / 1000 });
  byId("counts").hidden = false;
  show(byId("counts"), ...bar.counts(state.view, counts(all)));
  byId("simulated").hidden = !live.some(({ summary }) => summary.simulated);
  show(byId("totals"), ...facts(pairs));
  show(byId("troubles"), ...(all.length ? all.map(line) : [element("li.note", { "data-key": "none" }, TEXTS.noTrouble)]));
  for (const tab of byId("ways").children) {
    tab.href = to({}, tab.dataset.hash);
    tab.ariaCurrent = tab.dataset.view === state.view.name ? "page" : null;
  }
  for (const name of Object.keys(FILTERS)) {
    const field = byId(`filter-${name}s`);
    if (document.activeElement !== field) field.value = state.view[name] ?? ""; // what is being typed stays as it is
  }
}

let isDue = false; // whether that is to be drawn

function soon() {
  if (isDue) return;
  isDue = true;
  setTimeout(() => {
    isDue = false;
    renderShared();
  }, PAUSE);
}

// Of the host that changed; null: a second went by.
function heard(host) {
  if (state.phase !== "fleet") return;
  if (host) view?.renderHost(byId("fleet-view"), host);
  else view?.renderAges(byId("fleet-view"));
  soon();
}

// Shows what the address asks for.
export async function open() {
  const before = state.view.name;
  state.view = read();
  const { name } = state.view;
  if (name !== before || !view) {
    view = null;
    const module = await (VIEWS[name] ?? VIEWS.host)();
    if (state.view.name !== name) return;
    view = module;
    byId("fleet-view").replaceChildren();
  }
  view.render(byId("fleet-view"));
  renderShared();
}

function filter([name, text]) {
  const field = element("input", { id: `filter-${name}s`, type: "search", autocomplete: "off" });
  field.addEventListener("input", () => {
    replace({ [name]: field.value });
    open();
  });
  return element("label", {}, `${TEXTS[text]} `, field);
}

function mount() {
  const tabs = [["host", "hosts"], ["gpus", "gpus"], ["users", "users"]].filter(([name]) => name in VIEWS);
  const tab = ([name, text]) =>
    element("a", { "data-view": name, "data-hash": name === "host" ? "" : `#${name}`, href: "#" }, TEXTS[text]);
  byId("many").replaceChildren(
    element("dl.line", { id: "totals" }),
    element("ul", { id: "troubles", tabindex: "0", role: "region", "aria-label": TEXTS.counts.trouble }),
    element("div.filters", {}, element("nav", { id: "ways", "aria-label": TEXTS.views }, tabs.map(tab)), Object.entries(FILTERS).map(filter)),
    element("section", { id: "fleet-view" }),
  );
  on(heard);
}

// Until `signal` ends it. `names`: [{name, path}].
export async function watch(names, signal) {
  if (!byId("totals")) mount();
  byId("many").hidden = false;
  byId("host").textContent = TEXTS.overview;
  ask(names, signal);
  await open();
  changed();
}
