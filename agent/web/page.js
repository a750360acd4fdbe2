// Joins the parts of the page: the stream, the address, clicks; draws whenever the state changes.
import { WALL, to } from "./address.js";
import { Refused, get, tab, token, worded } from "./api.js";
import * as bar from "./bar.js";
import * as connection from "./connection.js";
import { byId } from "./draw.js";
import * as findings from "./findings.js";
import * as gpus from "./gpus.js";
import { ask } from "./lanes.js";
import { prepare } from "./mute.js";
import { checked, list } from "./shape.js";
import { changed, on, state } from "./state.js";
import { TEXTS } from "./texts.js";
import * as theme from "./theme.js";

// Whether all hosts are shown; ?host shows only the agent's own host. A wall of one host works like a wall of all.
const given = new URLSearchParams(location.search);
const FLEET = ("fleet" in document.documentElement.dataset && !given.has("host")) || WALL;
const HERE = [{ name: location.hostname, path: location.pathname }];
const REFUSED = 60_000; // milliseconds until a wall asks again an agent that wanted another token
const SELDOM = 5000; // milliseconds between two tries to learn which hosts there are, or what was before

const ENTRIES = list(() => null); // fleet.js checks each of them

let hosts = null; // of the overview
let overview = null; // its module, once it came
let rest = null; // the modules of REST: what is not needed to show the GPUs comes when it is
const REST = ["announce", "history", "need", "processes", "seldom", "take", "tell", "views"];

// Loads the modules that the first paint does not need; again if that failed.
async function prepared() {
  const modules = await Promise.all(REST.map((name) => import(`./${name}.js`)));
  rest = Object.fromEntries(REST.map((name, place) => [name, modules[place]]));
  rest.processes.prepare(rest.views.open);
  rest.take.prepare(() => changed());
  rest.need.mount(itself, rest.tell.button());
  rest.tell.mount(itself);
}

// This host in the form of fleet.js.
function itself() {
  const hostname = state.event?.system_info.hostname ?? null;
  const { pathname } = location;
  return [{ name: hostname ?? TEXTS.theHost, hostname, url: pathname, ask: (path) => ask(pathname, path, connection.signal() ?? AbortSignal.abort()) }];
}

let preparing = null; // only once, however often the tab is hidden meanwhile
let asking = new AbortController(); // ends what an earlier connection began

async function loadRest(watching) {
  if (watching.aborted) return;
  preparing ??= prepared().catch((error) => {
    preparing = null;
    throw error;
  });
  await preparing;
  if (watching.aborted) return;
  asking.abort();
  asking = new AbortController();
  const signal = AbortSignal.any([watching, asking.signal]);
  rest.seldom.lookAround(signal);
  rest.views.open();
  remember(signal);
}

// Reads the agent's history; again after a pause if that fails.
async function remember(signal) {
  try {
    await rest.history.load(signal);
    changed();
  } catch (error) {
    if (signal.aborted || state.phase === "lost") return; // the next connection asks anew
    worded(error); // a fault of the page itself is in the console
    setTimeout(() => signal.aborted || remember(signal), SELDOM);
  }
}

let isComplete = false; // whether the rest was asked in this connection

function heard(event, isNew) {
  rest?.history.add(event, state.heardAt);
  rest?.views.ask();
  if (isNew) isComplete = false;
  if (isComplete) return;
  isComplete = true;
  const signal = connection.signal();
  const load = () => loadRest(signal).catch(() => {
    isComplete = false; // a part that could not be loaded, which the browser reports: again with the next event
  });
  requestAnimationFrame(() => setTimeout(load)); // the GPUs are painted before the rest is asked
}

function draw(isMore) {
  try {
    drawAll(isMore);
  } catch (error) {
    if (state.phase !== "broken") connection.broken(error);
  }
}

function drawAll(isMore) {
  const isHost = !FLEET && state.event !== null && state.phase !== "broken";
  byId("one").hidden = !isHost; // first: what cannot be drawn must not stay
  login();
  if (/login|broken/.test(state.phase)) byId("many").hidden = byId("counts").hidden = true; // nor this
  byId("need").hidden = WALL || byId("one").hidden && byId("many").hidden;
  bar.render(FLEET);
  if (!isHost || !isMore) return;
  rest?.announce.render(state);
  tabs();
  if (state.view.name !== "gpu" && state.view.name !== "users") host();
  rest?.views.render();
  rest?.processes.render(state);
}

// The login form, shown if the agent requires a token; on a wall also if a host requires one.
function login() {
  const isAsked = state.phase === "login" || (WALL && refused().length);
  if (isAsked && byId("login").hidden) setTimeout(() => byId("token").focus());
  byId("login").hidden = !isAsked;
  byId("kept").hidden = !token.get();
}

// The hosts of the overview that require a token.
const refused = () => (state.phase === "fleet" && overview?.refused()) || [];

function host() {
  findings.render(state);
  rest?.take.render(state);
  gpus.render(state, rest?.history);
}

function tabs() {
  for (const tab of byId("tabs").children) {
    tab.href = to({}, tab.dataset.tab === "host" ? "" : `#${tab.dataset.tab}`);
    tab.ariaCurrent = tab.dataset.tab === state.view.name ? "page" : null;
  }
}

// The overview: tries until the agent has sent the list of hosts.
async function many() {
  const signal = connection.aside();
  try {
    const loading = import("./overview.js");
    hosts ??= given.has("host") ? HERE : checked(await get("fleet", signal), ENTRIES);
    if (!hosts.length) hosts = HERE;
    overview = await loading;
    if (signal.aborted) return;
    connection.become("fleet");
    overview.watch(hosts, signal);
  } catch (error) {
    if (signal.aborted) return;
    if (error instanceof Refused) {
      connection.refuse();
      if (WALL) setTimeout(() => state.phase === "login" && !byId("token").value && start(), REFUSED);
      return;
    }
    connection.become("lost", worded(error));
    setTimeout(() => signal.aborted || many(), SELDOM);
  }
}

function start() {
  if (FLEET) many();
  else connection.start(heard);
}

theme.prepare(given.get("theme")); // on a wall nobody can choose one
for (const place of document.querySelectorAll("[data-text]")) place.textContent = TEXTS[place.dataset.text];
for (const place of document.querySelectorAll("[data-label]")) place.ariaLabel = TEXTS[place.dataset.label];
if (FLEET) {
  document.documentElement.dataset.all = WALL ? "wall" : "page";
  byId("host").textContent = WALL ? "" : TEXTS.overview;
}
const back = tab?.getItem("overview"); // the page that led here
byId("back").hidden = FLEET || !back;
if (back) byId("back").href = back;

byId("login").addEventListener("submit", (event) => {
  event.preventDefault();
  const paths = refused().length ? refused().map(({ url }) => url) : [undefined]; // the agent behind this page
  for (const path of paths) token.set(byId("token").value, byId("remember").checked, path);
  byId("token").value = "";
  start();
});
byId("retry").addEventListener("click", start);
byId("forget").addEventListener("click", () => {
  token.clear();
  connection.refuse();
});
byId("again").addEventListener("click", connection.tryNow);
addEventListener("online", connection.tryNow);
// Shows what the address selects now.
const open = () => (FLEET ? overview : rest?.views)?.open();
addEventListener("popstate", open);
const isOfHost = (search) => new URLSearchParams(search).has("host");
// A link to another filter or view does not load another page.
addEventListener("click", (event) => {
  const link = event.target.closest?.("a[href]");
  const isPlain = !event.defaultPrevented && !event.ctrlKey && !event.metaKey && !event.shiftKey && !event.altKey;
  const isHere = link && link.origin + link.pathname === location.origin + location.pathname;
  if (!isHere || !isPlain || isOfHost(link.search) !== isOfHost(location.search)) return;
  event.preventDefault();
  // Going from one GPU to the next adds no step for "Back".
  history["replace" in link.dataset ? "replaceState" : "pushState"](null, "", link.href);
  open();
});
// A hidden tab sends no requests.
document.addEventListener("visibilitychange", () => {
  if (document.hidden && state.phase !== "login") connection.pause();
  else if (state.phase === "paused") start();
});

addEventListener("error", ({ error }) => error && connection.broken(error));
addEventListener("unhandledrejection", ({ reason }) => connection.broken(reason));
if (!("old" in document.documentElement.dataset)) {
  on(draw);
  prepare(() => (FLEET ? overview?.open() : changed()));
  if (document.hidden) connection.pause();
  else start();
  setInterval(connection.tick, 1000);
}
