// Brings it together: token, stream, what is asked now and then.
import { Refused, browser, follow, get, tab, token, worded } from "./api.js";
import * as cards from "./cards.js";
import { byId, element, show } from "./draw.js";
import { TEXTS, UNKNOWN, number } from "./texts.js";

// What is not needed to show the GPUs comes when it is: history.js, processes.js, detail.js, overview.js.
const INTERVAL = 2; // seconds between two events of the stream
const OLD = 3 * INTERVAL * 1000; // milliseconds after which values are no longer those of now
const SELDOM = 5000; // milliseconds between two looks at processes and free GPUs
// Whether all hosts are shown; ?host is the one behind this page.
const FLEET = "fleet" in document.documentElement.dataset && !new URLSearchParams(location.search).has("host");

let watching = null; // what ends the stream and all that is asked
let seldom = null; // the timer of what is asked now and then
let newest = null; // {event, at}: the last that had values, and when it came
let fresh = false; // whether the last thing heard had values
let connected = false;
let complete = false; // whether this connection's history was asked for
let free = new Set(); // indices of the GPUs that can be taken
let hosts = null; // of the overview
let past = null; // the modules, once they are here
let processes = null;
let detail = null;

function problem(text) {
  show(byId("problem"), text ?? "");
  byId("problem").hidden = !text;
}

// Screen readers say a status again when it changes: the age, which always does, stands beside it.
function connection(state, text) {
  byId("connection").className = state;
  if (byId("connection").textContent !== text) byId("connection").textContent = text;
}

function draw() {
  cards.render(byId("gpus"), newest.event.gpus, past, free);
}

// An event of the stream; one without values says why there are none.
function seen(event) {
  connected = true;
  fresh = event.status !== "error";
  if (!fresh) {
    problem(event.error);
    byId("host-health").hidden = true;
    detail?.look(watching.signal);
    return tick();
  }
  problem(null);
  if (!complete) forget(TEXTS.connecting);
  newest = { event, at: Date.now() };
  past?.add(event);
  byId("one").hidden = false;
  byId("host").textContent = event.system_info.hostname ?? TEXTS.gpus;
  cards.renderHost(byId("host-line"), event.system_info);
  cards.renderHealth(byId("host-health"), event.health);
  byId("simulated").hidden = !event.simulated;
  draw();
  tick();
  const choices = ["", ...event.gpus.map((gpu) => `${gpu.id}`)];
  show(byId("filter-gpu"), ...choices.map((gpu) => element("option", { value: gpu }, gpu || TEXTS.all)));
  detail?.look(watching.signal);
  if (!complete) {
    complete = true;
    const { signal } = watching;
    requestAnimationFrame(() => setTimeout(loadRest, 0, signal)); // the GPUs are painted before the rest is asked
  }
}

// Says how old the values are, every second.
function tick() {
  if (!watching || FLEET) return;
  const age = newest ? Math.max(0, Date.now() - newest.at) : 0;
  const old = !fresh || age > OLD;
  document.body.classList.toggle("old", old);
  byId("age").textContent = newest ? TEXTS.age(Math.round(age / 1000)) : "";
  if (connected) connection(old ? "late" : "live", old ? TEXTS.late : TEXTS.live);
  const load = (gpu) => gpu?.utilization.gpu_percent ?? -1;
  const busiest = newest?.event.gpus.reduce((most, gpu) => (load(gpu) > load(most) ? gpu : most), null);
  const host = byId("host").textContent;
  const isKnown = busiest && !old;
  document.title = isKnown ? TEXTS.title(number(load(busiest), " %"), busiest.id, host) : TEXTS.titleUnknown(host);
}

// The connection is lost; the next try comes after `pause` seconds.
function down(error, pause) {
  if (error instanceof Refused) return askForToken();
  fresh = connected = complete = false;
  clearInterval(seldom);
  connection("down", TEXTS.lostConnection(pause));
  problem(worded(error));
  tick();
  detail?.look(watching.signal);
}

// What the first paint does not need; again after each new connection.
async function loadRest(signal) {
  if (signal.aborted) return;
  try {
    if (!processes) {
      [past, processes] = await Promise.all([import("./history.js"), import("./processes.js")]);
      processes.headings(byId("columns"), filter);
    }
    if (signal.aborted) return;
    clearInterval(seldom);
    seldom = setInterval(lookAround, SELDOM, signal);
    await Promise.all([lookAround(signal), past.load(signal).then(draw)]);
  } catch (error) {
    if (!signal.aborted && !(error instanceof Refused)) complete = false; // again with the next event
  }
  if (!signal.aborted) openDetail();
}

function offer(...chips) {
  show(byId("free"), ...(chips.length ? [element("strong", {}, TEXTS.freeNow), ...chips] : [TEXTS.noneFree]));
}

// What was true once is not shown as true now.
function forget(why) {
  free = new Set();
  offer(UNKNOWN);
  processes?.forget(why);
  filter();
}

async function lookAround(signal) {
  try {
    await processes.load(signal);
    free = cards.freeIn(await get("free?count=128", signal));
    offer(...[...free].map((gpu) => element("a.badge.free", { href: `#gpu${gpu}` }, TEXTS.gpu(gpu))));
    filter();
  } catch (error) {
    if (signal.aborted) return;
    forget(worded(error));
  }
  draw();
}

function filter() {
  processes?.render(byId("processes"), byId("processes-note"), byId("filter-user").value, byId("filter-gpu").value);
}

// "#gpu3" shows GPU 3.
async function openDetail() {
  const wanted = /^#gpu(\d+)$/.exec(location.hash);
  if (!wanted) return byId("detail").close();
  detail ??= await import("./detail.js").catch(() => null);
  if (!watching || !newest || location.hash !== wanted[0]) return; // meanwhile something else is wanted
  detail?.open(byId("detail"), Number(wanted[1]), watching.signal);
}

function start() {
  stop();
  byId("login").hidden = true;
  watching = new AbortController();
  complete = connected = false;
  connection("", TEXTS.connecting);
  tick();
  if (FLEET) many(watching.signal);
  else follow(`gpu/stream?interval=${INTERVAL}`, watching.signal, seen, down);
}

// All hosts: tries until the agent has said which there are.
async function many(signal) {
  try {
    hosts ??= await get("fleet", signal);
    const { watch } = await import("./overview.js");
    if (signal.aborted) return;
    problem(null);
    connection("", "");
    watch(hosts, signal);
  } catch (error) {
    if (signal.aborted) return;
    down(error, SELDOM / 1000);
    setTimeout(() => signal.aborted || many(signal), SELDOM);
  }
}

function stop() {
  watching?.abort();
  watching = null;
  clearInterval(seldom);
}

// Hides what was shown: it is for nobody without a token.
function askForToken() {
  stop();
  connection("", "");
  problem(token.get() && TEXTS.wrongToken); // nothing is wrong yet where none was given
  token.clear();
  newest = null;
  byId("age").textContent = "";
  show(byId("host-line"));
  byId("one").hidden = byId("many").hidden = true;
  byId("detail").close();
  byId("login").hidden = false;
  byId("token").focus();
}

function colours(theme) {
  document.documentElement.dataset.theme = theme;
  byId("theme").textContent = TEXTS.themes[theme];
  byId("theme").title = TEXTS.theme;
}

let theme = browser?.getItem("agent-theme");
if (!(theme in TEXTS.themes)) theme = "auto";
colours(theme);
for (const place of document.querySelectorAll("[data-text]")) place.textContent = TEXTS[place.dataset.text];
if (FLEET) tab?.setItem("overview", location.pathname);
const back = tab?.getItem("overview"); // the page that led here
byId("back").hidden = FLEET || !back;
if (back) byId("back").href = back;

byId("login").addEventListener("submit", (event) => {
  event.preventDefault();
  token.set(byId("token").value, byId("remember").checked);
  byId("token").value = "";
  problem(null);
  start();
});
byId("filter-user").addEventListener("input", filter);
byId("filter-gpu").addEventListener("change", filter);
byId("close").addEventListener("click", () => byId("detail").close());
// A reload does not open it again.
byId("detail").addEventListener("close", () => history.replaceState(null, "", location.pathname + location.search));
addEventListener("hashchange", openDetail);
byId("theme").addEventListener("click", () => {
  const themes = Object.keys(TEXTS.themes);
  theme = themes[(themes.indexOf(theme) + 1) % themes.length];
  browser?.setItem("agent-theme", theme);
  colours(theme);
});
// A tab that nobody sees asks nothing.
document.addEventListener("visibilitychange", () => {
  if (document.hidden) {
    stop();
    connection("", TEXTS.paused);
    document.title = TEXTS.titleUnknown(byId("host").textContent);
  } else if (byId("login").hidden) start();
  else connection("", "");
});
setInterval(tick, 1000);
if (document.hidden) connection("", TEXTS.paused);
else start();
