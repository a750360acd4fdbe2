// Brings it together: token, stream, what is asked now and then, and the parts of the page.
import { Refused, follow, get, token } from "./api.js";
import * as cards from "./cards.js";
import * as history from "./chart.js";
import { TEXTS, UNKNOWN, known, number } from "./texts.js";

// What is not needed to show the GPUs comes when it is: processes.js, detail.js, overview.js.
const SELDOM = 5000; // milliseconds between two looks at processes and free GPUs
const $ = (id) => document.getElementById(id);

let watching = null; // what ends the stream
let latest = null; // when the newest event came
let seldom = null;
let shown = []; // the GPUs of the newest event
let processes = null; // the module, once it is here

function problem(text) {
  $("problem").textContent = text ?? "";
  $("problem").hidden = !text;
}

function hostLine(host) {
  return [
    `CPU ${number(host.cpu.cpu_percent, " %")}`,
    `memory ${number(host.memory.percent, " %")}`,
    `disk ${number(host.disk_used_gb)} GiB used, ${number(host.disk_available_gb)} GiB free`,
    known(host.temperature_celsius) ? number(host.temperature_celsius, " °C") : "",
  ].filter(Boolean).join("   ");
}

function seen(event) {
  latest = Date.now();
  if (event.status === "error") {
    problem(event.error);
    return;
  }
  problem(null);
  const at = Date.parse(event.timestamp);
  for (const gpu of event.gpus) history.add(at, gpu);
  $("main").hidden = false;
  $("host").textContent = event.system_info.hostname ?? "GPUs";
  $("host-line").textContent = hostLine(event.system_info);
  $("simulated").hidden = !event.simulated;
  $("simulated").textContent = TEXTS.simulated;
  shown = event.gpus;
  draw();
  const choices = $("filter-gpu");
  if (choices.length !== event.gpu_count + 1) {
    choices.length = 1;
    for (const gpu of event.gpus) choices.add(new Option(`${gpu.id}`, `${gpu.id}`));
  }
  const busiest = Math.max(...event.gpus.map((gpu) => gpu.utilization.gpu_percent ?? -1));
  document.title = `${busiest < 0 ? UNKNOWN : `${busiest} %`} ${event.system_info.hostname ?? "GPUs"}`;
  connection();
}

function draw() {
  cards.render($("gpus"), shown, async (index) => (await import("./detail.js")).show($("detail"), index));
}

function connection() {
  const age = latest === null ? null : Math.round((Date.now() - latest) / 1000);
  $("connection").className = age !== null && age < 6 ? "live" : "";
  $("connection").textContent = age === null ? TEXTS.connecting : age < 6 ? TEXTS.live : TEXTS.age(age);
}

function down(error, pause) {
  if (error instanceof Refused) {
    askForToken();
    return;
  }
  latest = null;
  $("connection").className = "down";
  $("connection").textContent = TEXTS.lostConnection(pause);
  problem(error.message);
}

async function lookAround(signal) {
  try {
    if (!processes) {
      processes = await import("./processes.js");
      processes.columns($("columns"));
    }
    await processes.load(signal);
    filter();
    const free = await get("free?count=64", signal);
    const names = free.gpus.map((gpu) => `${gpu.idx}`).join(", ");
    $("free").textContent = names ? TEXTS.free(names) : TEXTS.noneFree;
  } catch (error) {
    if (!signal.aborted && !(error instanceof Refused)) $("free").textContent = "";
  }
}

function filter() {
  processes?.render($("processes"), $("no-processes"), $("filter-user").value, $("filter-gpu").value);
}

async function start() {
  stop();
  $("login").hidden = true;
  watching = new AbortController();
  const { signal } = watching;
  connection();
  if ("fleet" in document.documentElement.dataset && !new URLSearchParams(location.search).has("host")) return many(signal);
  let first = true;
  const each = (event) => {
    seen(event);
    if (first) requestAnimationFrame(() => setTimeout(complete, 0, signal)); // the GPUs are painted before the rest is asked
    first = false;
  };
  follow("gpu/stream?interval=2", signal, each, down);
}

async function complete(signal) {
  if (signal.aborted) return;
  lookAround(signal);
  seldom = setInterval(lookAround, SELDOM, signal);
  await history.load(signal);
  if (!signal.aborted) draw();
}

async function many(signal) {
  try {
    const [overview, hosts] = await Promise.all([import("./overview.js"), get("fleet", signal)]);
    $("connection").textContent = "";
    overview.watch(hosts, signal);
  } catch (error) {
    if (error instanceof Refused) askForToken();
    else if (!signal.aborted) tryAgain(error, signal);
  }
}

function tryAgain(error, signal) {
  down(error, SELDOM / 1000);
  setTimeout(() => signal.aborted || many(signal), SELDOM);
}

function stop() {
  watching?.abort();
  watching = null;
  clearInterval(seldom);
}

function askForToken() {
  stop();
  if (token.get()) problem(TEXTS.wrongToken);
  token.clear();
  $("main").hidden = $("overview").hidden = true;
  $("login").hidden = false;
  $("token").focus();
}

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
$("theme").addEventListener("click", () => {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  localStorage.setItem("theme", root.dataset.theme);
});
document.addEventListener("visibilitychange", () => {
  if (document.hidden) {
    stop();
    $("connection").textContent = TEXTS.paused;
  } else if ($("login").hidden) {
    start();
  }
});
if (localStorage.getItem("theme")) document.documentElement.dataset.theme = localStorage.getItem("theme");
setInterval(() => latest !== null && watching && connection(), 1000); // only a stream sets `latest`
if (document.hidden) $("connection").textContent = TEXTS.paused;
else start();
