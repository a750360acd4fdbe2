// Many hosts at a glance: the browser asks each agent in its turn; one that is down disturbs no other.
import { Refused, get } from "./api.js";
import { element } from "./cards.js";
import { TEXTS, UNKNOWN, known, memory, number } from "./texts.js";

const INTERVAL = 5000; // milliseconds between two looks at a host, over which the hosts are spread
const NAMED = 6; // hosts whose free GPUs are listed
const PATIENCE = 4000; // milliseconds until a host counts as down
const $ = (id) => document.getElementById(id);

let hosts = [];

// "65254MiB" as 65254; "N/A" as null.
const whole = (text) => (/^\d/.test(text) ? parseInt(text, 10) : null);
const mean = (values) => (values.length ? values.reduce((sum, value) => sum + value, 0) / values.length : null);
const total = (values) => (values.length ? values.reduce((sum, value) => sum + value, 0) : null);

function make({ name, path }) {
  const row = element("article", "host");
  const head = element("div", "host-head");
  const title = element("h3");
  const link = element("a", "", name);
  link.href = `${path}?host`;
  title.append(link);
  const note = element("p", "note", TEXTS.connecting);
  const tiles = element("ul", "tiles");
  tiles.setAttribute("aria-label", TEXTS.gpusOf(name));
  head.append(title, note);
  row.append(head, tiles);
  $("hosts").append(row);
  return { name, path, row, note, tiles, devices: [], processes: [], free: new Set(), up: false, seen: null, timer: null };
}

function fillTile(tile, host, gpu) {
  const users = [...new Set(host.processes.filter((one) => one.idx === gpu.idx).map((one) => one.username))];
  const verdict = gpu.health?.verdict ?? "unknown";
  const mark = gpu.state === "ok" ? "" : `✖ ${TEXTS.states[gpu.state]}`;
  const sign = { warning: "▲ ", critical: "✖ " }[verdict] ?? "";
  const utilization = whole(gpu.gpu_utilization);
  const free = host.free.has(gpu.idx);
  tile.className = `tile ${gpu.state} ${verdict} ${free ? "free" : ""}`;
  tile.dataset.users = JSON.stringify(users);
  const [index, load, rest] = tile.children;
  index.textContent = `${sign}${gpu.idx}`;
  load.textContent = mark || number(utilization, " %");
  rest.textContent = free ? TEXTS.freeTile : TEXTS.memoryTile(number(whole(gpu.memory_utilization), " %"));
  tile.style.setProperty("--load", `${utilization ?? 0}%`);
  const words = [TEXTS.gpu(gpu.idx), gpu.name, TEXTS.verdicts[verdict] ?? TEXTS.unknownHealth, ...(gpu.health?.reasons ?? [])];
  tile.title = [...words, number(whole(gpu.temperature), " °C"), gpu.power_status, users.join(", ")].filter(Boolean).join("\n");
}

function fillRow(host) {
  while (host.tiles.children.length > host.devices.length) host.tiles.lastChild.remove();
  while (host.tiles.children.length < host.devices.length) {
    const tile = element("li");
    tile.append(element("span", "index"), element("span", "load"), element("span", "rest"));
    host.tiles.append(tile);
  }
  host.devices.forEach((gpu, place) => fillTile(host.tiles.children[place], host, gpu));
}

async function look(host, signal) {
  const patience = AbortSignal.any([signal, AbortSignal.timeout(PATIENCE)]);
  try {
    const [status, free] = await Promise.all([
      get(`${host.path}status`, patience, host.path),
      get(`${host.path}free?count=64`, patience, host.path),
    ]);
    host.devices = status.devices;
    host.processes = status.processes;
    host.free = new Set(free.gpus.map((gpu) => gpu.idx));
    host.up = true;
    host.seen = Date.now();
    host.row.className = "host";
    host.note.textContent = TEXTS.gpuCount(status.count);
  } catch (error) {
    if (signal.aborted) return;
    host.devices = host.processes = []; // what was true once is not shown as true now
    host.free = new Set();
    host.up = false;
    host.row.className = "host down";
    const why = error instanceof Refused ? TEXTS.wantsToken : error.name === "TimeoutError" ? TEXTS.silent : error.message;
    host.note.textContent = `✖ ${why}${host.seen ? TEXTS.lastSeen(new Date(host.seen).toLocaleTimeString()) : ""}`;
  }
  fillRow(host);
}

function summary() {
  const up = hosts.filter((host) => host.up).length;
  const gpus = hosts.flatMap((host) => host.devices);
  const values = (read) => gpus.map(read).filter(known);
  const utilization = mean(values((gpu) => whole(gpu.gpu_utilization)));
  const memoryUsed = total(values((gpu) => whole(gpu.memory_used_human)));
  const memoryTotal = total(values((gpu) => whole(gpu.memory_total_human)));
  const power = total(values((gpu) => whole(gpu.power_status)));
  $("totals").textContent = [
    TEXTS.hostsUp(up, hosts.length),
    TEXTS.gpuCount(gpus.length),
    `${TEXTS.measures.utilization} ${number(utilization, " %")}`,
    `${TEXTS.measures.memory} ${memory(memoryUsed)} / ${memory(memoryTotal)}`,
    `${TEXTS.measures.power} ${number(power, " W")}`,
  ].join("   ");
  $("free-anywhere").textContent = freeAnywhere();
  document.title = `${number(utilization, " %")} ${TEXTS.hostsUp(up, hosts.length)}`;
}

// The hosts with most to give by name, the others by number.
function freeAnywhere() {
  const giving = hosts.filter((host) => host.free.size).sort((one, other) => other.free.size - one.free.size);
  if (!giving.length) return TEXTS.noneFree;
  const named = giving.slice(0, NAMED).map((host) => `${host.name}: ${[...host.free].join(", ")}`);
  const others = giving.slice(NAMED);
  if (others.length) named.push(TEXTS.more(total(others.map((host) => host.free.size)), others.length));
  return TEXTS.free(named.join("   "));
}

function users() {
  const wanted = $("search-user").value;
  const found = new Map();
  for (const host of hosts) {
    for (const one of host.processes) {
      const user = one.username ?? UNKNOWN;
      if (!user.includes(wanted)) continue;
      const use = found.get(user) ?? { gpus: new Map(), processes: 0, mib: null };
      use.gpus.set(host.name, (use.gpus.get(host.name) ?? new Set()).add(one.idx));
      use.processes += 1;
      if (known(whole(one.gpu_memory))) use.mib = (use.mib ?? 0) + whole(one.gpu_memory);
      found.set(user, use);
    }
  }
  const rows = [...found].sort(([, one], [, other]) => (other.mib ?? 0) - (one.mib ?? 0));
  $("users").replaceChildren(
    ...rows.map(([user, use]) => {
      const row = element("tr");
      const places = [...use.gpus].map(([host, gpus]) => `${host}: ${[...gpus].sort((a, b) => a - b).join(", ")}`);
      const cells = [user, `${total([...use.gpus.values()].map((gpus) => gpus.size))}`, places.join("   "), `${use.processes}`, memory(use.mib)];
      row.append(...cells.map((text) => element("td", "", text)));
      return row;
    }),
  );
  for (const host of hosts) {
    let any = false;
    for (const tile of host.tiles.children) {
      const its = wanted !== "" && JSON.parse(tile.dataset.users ?? "[]").some((user) => (user ?? "").includes(wanted));
      tile.classList.toggle("searched", its);
      any ||= its;
    }
    host.row.hidden = wanted !== "" && !any;
  }
}

// Until `signal` ends it. `names`: [{name, path}].
export function watch(names, signal) {
  if (!hosts.length) {
    hosts = names.map(make);
    $("user-columns").append(...TEXTS.userColumns.map((name) => Object.assign(element("th", "", name), { scope: "col" })));
    $("search-user").addEventListener("input", users);
  }
  $("overview").hidden = false;
  $("host").textContent = TEXTS.overview;
  hosts.forEach((host, place) => {
    const again = async () => {
      const began = Date.now();
      await look(host, signal);
      if (!signal.aborted) host.timer = setTimeout(again, Math.max(0, INTERVAL - (Date.now() - began)));
    };
    host.timer = setTimeout(again, (INTERVAL / hosts.length) * place * (host.seen ? 1 : 0.2)); // the first look is soon
    signal.addEventListener("abort", () => clearTimeout(host.timer));
  });
  const redraw = setInterval(() => { summary(); users(); }, 1000);
  signal.addEventListener("abort", () => clearInterval(redraw));
}
