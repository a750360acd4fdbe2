// The overview of all hosts: counts in the bar, what is wrong, and the view that the address selects. The answers of
// the hosts are in fleet.js. The need line, which the page of one host has too, is in the shell: #need.
import { WALL, read, replace, to } from "./address.js";
import { tab } from "./api.js";
import * as bar from "./bar.js";
import { byId, element, facts, show, styled } from "./draw.js";
import { askAll, fleet, isDown, isLive, on } from "./fleet.js";
import * as hosts from "./hosts.js";
import { isMuted, lines } from "./mute.js";
import { changed, state } from "./state.js";
import { TEXTS } from "./texts.js";
import { busy, counts, isTold, totals } from "./totals.js";
import { line, tellsAll, troubles } from "./troubles.js";

const styles = styled("overview.css");

const MOST = 4; // lines of trouble on a wall
const PAUSE = 200; // milliseconds in which what changes is drawn together

// Each view has `render(place)`, `renderHost(place, host)` for a changed host, `renderAges(place)` once a second, and
// `begin()` if it sends requests of its own.
const VIEWS = {
  host: { text: TEXTS.hosts, hash: "", module: async () => hosts },
  gpus: { text: TEXTS.gpus, hash: "#gpus", module: () => import("./table.js") },
  users: { text: TEXTS.users, hash: "#users", module: () => import("./everyone.js") },
};
const FILTERS = { node: TEXTS.theHost, user: TEXTS.filterUser, model: TEXTS.model };

let view = null; // its module; null: it did not come yet

// The hosts that require a token.
export const refused = () => fleet.hosts.filter(({ isRefused }) => isRefused);

const note = (text) => element("li.note", { "data-key": "note" }, text);

// A wall cannot be scrolled.
function wrong(all) {
  const drawn = WALL ? all.map((one) => line(one)) : lines(all, line, tellsAll);
  if (!drawn.length) return [note(TEXTS.noTrouble)];
  if (!WALL || drawn.length <= MOST) return drawn;
  return [...drawn.slice(0, MOST - 1), note(TEXTS.andMore(all.length - MOST + 1))];
}

// The parts that stand above each view.
function renderShared() {
  if (state.phase !== "fleet") return; // it was put off: the page may have hidden everything since
  const live = fleet.hosts.filter(isLive);
  const all = troubles();
  const gpus = live.flatMap(({ summary }) => summary.gpus);
  const worst = WALL ? all[0] : all.find((one) => !isMuted(one)); // what somebody put aside is counted, and calls nobody
  bar.fleet({
    live: live.length,
    all: fleet.hosts.length,
    worst: worst?.verdict,
    isWell: fleet.hosts.every(isTold),
    every: WALL ? null : fleet.interval / 1000,
  });
  byId("counts").hidden = false;
  show(byId("counts"), ...bar.counts(state.view, { ...counts(gpus, all), ...(WALL && { busy: busy(gpus) }) }));
  byId("simulated").hidden = !live.some(({ summary }) => summary.simulated);
  show(byId("totals"), ...facts(totals(live, gpus)));
  show(byId("troubles"), ...wrong(all));
  if (!WALL) controls();
  if (fleet.hosts.every((host) => isLive(host) || isDown(host))) import("./announce.js").then(({ announce }) => announce(spoken(all), performance.now()), () => null);
}

// The announcement for each host: its gravest trouble.
function spoken(all) {
  const words = fleet.hosts.map((host) => [host.name, isTold(host) ? TEXTS.well : TEXTS.verdicts.unknown.slice(2)]);
  const wrong = [...all].reverse().map(({ host, verdict }) => [host.name, TEXTS.hostVerdicts[verdict].slice(2)]);
  return new Map([...words, ...wrong]);
}

function controls() {
  for (const way of byId("ways").children) {
    way.href = to({}, way.dataset.hash);
    way.ariaCurrent = way.dataset.view === state.view.name ? "page" : null;
  }
  for (const name of Object.keys(FILTERS)) {
    const field = byId(`filter-${name}s`);
    if (document.activeElement !== field) field.value = state.view[name] ?? ""; // what is being typed stays as it is
  }
}

let due = 0; // the timer of the next drawing

function soon() {
  due ||= setTimeout(() => {
    due = 0;
    renderShared();
  }, PAUSE);
}

// Draws the host that changed; null: only time has passed.
function heard(host) {
  if (state.phase !== "fleet") return;
  const place = byId("fleet-view");
  if (host) {
    view?.renderHost(place, host);
    soon();
  } else if (view) view.renderAges(place);
  else open();
}

// Shows the view that the address selects.
export async function open() {
  const before = state.view.name;
  state.view = read();
  const { name } = state.view;
  if (name !== before || !view) {
    view = null;
    const module = await (WALL ? import("./wall.js") : (VIEWS[name] ?? VIEWS.host).module()).catch(() => null);
    if (!module || view || state.view.name !== name) return; // one that could not be loaded: again in a second
    view = module;
    byId("fleet-view").replaceChildren();
    view.begin?.();
  }
  view.render(byId("fleet-view"));
  renderShared();
  tab?.setItem("overview", location.href.slice(location.origin.length)); // where "All hosts" leads back to
}

function filter([name, text]) {
  const field = element("input", { id: `filter-${name}s`, type: "search", autocomplete: "off" });
  field.addEventListener("input", () => {
    replace({ [name]: field.value });
    open();
  });
  return element("label", {}, `${text} `, field);
}

function mount() {
  const tabs = Object.entries(VIEWS).map(([name, { text, hash }]) =>
    element("a", { "data-view": name, "data-hash": hash, href: "#" }, text));
  byId("many").replaceChildren(
    element("dl.line", { id: "totals" }),
    element("ul", { id: "troubles", "aria-label": TEXTS.counts.trouble }),
    WALL ? "" : element("div.filters", {}, element("nav", { id: "ways", "aria-label": TEXTS.views }, tabs), Object.entries(FILTERS).map(filter)),
    element("section", { id: "fleet-view" }),
  );
  on(heard);
  if (!WALL) mountNeed().catch(() => null); // the browser reports what could not be loaded
}

// The need line and "Tell me when".
async function mountNeed() {
  const [need, tell] = await Promise.all([import("./need.js"), import("./tell.js")]);
  const all = () => fleet.hosts;
  need.mount(all, tell.button());
  tell.mount(all);
  on(tell.heard);
}

// Shows the overview until `signal` ends it. `entries`: see fleet.js.
export async function watch(entries, signal) {
  if (!byId("totals")) mount();
  askAll(entries, signal);
  await styles; // or what is shown would move when they come
  await open();
  if (state.phase !== "fleet") return; // as above
  byId("many").hidden = false;
  changed();
}
