// Brings it together: token, stream, what is asked now and then.
import { Refused, browser, follow, get, tab, token, worded } from "./api.js";
import * as cards from "./cards.js";
import { element, facts, named, show } from "./draw.js";
import { TEXTS, UNKNOWN, known, memory, number } from "./texts.js";

// What is not needed to show the GPUs comes when it is: history.js, processes.js, detail.js, overview.js.
const INTERVAL = 2; // seconds between two events of the stream
const OLD = 3 * INTERVAL * 1000; // milliseconds after which values are no longer those of now
const SELDOM = 5000; // milliseconds between two looks at processes and free GPUs
const FLEET = "fleet" in document.documentElement.dataset && !new URLSearchParams(location.search).has("host");
const $ = (id) => document.getElementById(id);

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
  show($("problem"), text ?? "");
  $("problem").hidden = !text;
}

// Screen readers say a status again when it changes: the age, which always does, stands beside it.
function connection(state, text) {
  $("connection").className = state;
  if ($("connection").textContent !== text) $("connection").textContent = text;
}

function hostLine({ cpu, memory: ram, disk_used_gb: used, disk_available_gb: available, temperature_celsius: celsius, ...versions }) {
  const disk = known(used) && known(available) ? TEXTS.diskFree(number(available), number(used + available)) : UNKNOWN;
  return named(TEXTS.host, {
    cpu: number(cpu.cpu_percent, " %"),
    memory: TEXTS.part(number(ram.percent, " %"), memory(ram.total_mb)),
    disk,
    temperature: number(celsius, " °C"),
    driver: versions.driver_version ?? UNKNOWN,
    cuda: versions.cuda_version ?? UNKNOWN,
  });
}

function draw() {
  cards.render($("gpus"), newest.event.gpus, past, free);
}

function seen(event) {
  connected = true;
  fresh = event.status !== "error";
  if (!fresh) {
    problem(event.error);
    detail?.look(watching.signal);
    return tick();
  }
  problem(null);
  if (!complete) forget(TEXTS.connecting);
  newest = { event, at: Date.now() };
  past?.add(event);
  $("one").hidden = false;
  $("host").textContent = event.system_info.hostname ?? TEXTS.gpus;
  show($("host-line"), ...facts(hostLine(event.system_info)));
  $("simulated").hidden = !event.simulated;
  draw();
  tick();
  const choices = ["", ...event.gpus.map((gpu) => `${gpu.id}`)];
  show($("filter-gpu"), ...choices.map((gpu) => element("option", { value: gpu }, gpu || TEXTS.all)));
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
  $("age").textContent = newest ? TEXTS.age(Math.round(age / 1000)) : "";
  if (connected) connection(old ? "late" : "live", old ? TEXTS.late : TEXTS.live);
  const load = (gpu) => gpu?.utilization.gpu_percent ?? -1;
  const busiest = newest?.event.gpus.reduce((most, gpu) => (load(gpu) > load(most) ? gpu : most), null);
  const host = $("host").textContent;
  document.title = old || !busiest ? TEXTS.titleUnknown(host) : TEXTS.title(number(load(busiest), " %"), busiest.id, host);
}

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
      processes.headings($("columns"), filter);
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
  show($("free"), ...(chips.length ? [element("strong", {}, TEXTS.freeNow), ...chips] : [TEXTS.noneFree]));
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
  processes?.render($("processes"), $("processes-note"), $("filter-user").value, $("filter-gpu").value);
}

// "#gpu3" shows GPU 3.
async function openDetail() {
  const wanted = /^#gpu(\d+)$/.exec(location.hash);
  if (!wanted) return $("detail").close();
  detail ??= await import("./detail.js").catch(() => null);
  if (watching && newest && location.hash === wanted[0]) detail?.open($("detail"), Number(wanted[1]), watching.signal);
}

function start() {
  stop();
  $("login").hidden = true;
  watching = new AbortController();
  complete = connected = false;
  connection("", TEXTS.connecting);
  tick();
  if (FLEET) many(watching.signal);
  else follow(`gpu/stream?interval=${INTERVAL}`, watching.signal, seen, down);
}

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

function askForToken() {
  stop();
  connection("", "");
  problem(token.get() && TEXTS.wrongToken);
  token.clear();
  newest = null;
  $("age").textContent = "";
  show($("host-line"));
  $("one").hidden = $("many").hidden = true;
  $("detail").close();
  $("login").hidden = false;
  $("token").focus();
}

function colours(theme) {
  document.documentElement.dataset.theme = theme;
  $("theme").textContent = TEXTS.themes[theme];
  $("theme").title = TEXTS.theme;
}

let theme = browser?.getItem("agent-theme");
if (!(theme in TEXTS.themes)) theme = "auto";
colours(theme);
for (const place of document.querySelectorAll("[data-text]")) place.textContent = TEXTS[place.dataset.text];
if (FLEET) tab?.setItem("overview", location.pathname);
const back = tab?.getItem("overview"); // the page that led here
$("back").hidden = FLEET || !back;
if (back) $("back").href = back;

$("login").addEventListener("submit", (event) => {
  event.preventDefault();
  token.set($("token").value, $("remember").checked);
  $("token").value = "";
  problem(null);
  start();
});
$("filter-user").addEventListener("input", filter);
$("filter-gpu").addEventListener("change", filter);
$("close").addEventListener("click", () => $("detail").close());
$("detail").addEventListener("close", () => history.replaceState(null, "", location.pathname + location.search));
addEventListener("hashchange", openDetail);
$("theme").addEventListener("click", () => {
  const themes = Object.keys(TEXTS.themes);
  theme = themes[(themes.indexOf(theme) + 1) % themes.length];
  browser?.setItem("agent-theme", theme);
  colours(theme);
});
document.addEventListener("visibilitychange", () => {
  if (document.hidden) {
    stop();
    connection("", TEXTS.paused);
    document.title = TEXTS.titleUnknown($("host").textContent);
  } else if ($("login").hidden) start();
  else connection("", "");
});
setInterval(tick, 1000);
if (document.hidden) connection("", TEXTS.paused);
else start();
