// Many hosts at a glance: the browser asks each agent in its turn; one that is down disturbs no other.
import { Refused, Silent, get, worded } from "./api.js";
import { failure, judged, product, reasons } from "./model.js";
import { byId, element, facts, headings, named, show, update } from "./draw.js";
import { GPUS, checked } from "./shape.js";
import { TEXTS, UNKNOWN, known, memory, number } from "./texts.js";

const INTERVAL = 5000; // milliseconds between two looks at a host, over which the hosts are spread
const OLD = 3 * INTERVAL; // milliseconds after which values are no longer those of now
const NAMED = 6; // hosts whose free GPUs are listed
// A browser opens six connections to one origin over HTTP/1.1, and a silent host keeps its own all the while:
// those that were silent share one, so that no other waits for them.
const LANES = { quick: 4, silent: 1 };

let hosts = [];
const difference = () => Date.now() - performance.now(); // of the clock that can be set and the other
let offset = difference();
const busy = { quick: 0, silent: 0 }; // connections in use, by lane

const total = (values) => (values.length ? values.reduce((sum, value) => sum + value, 0) : null);
const mean = (values) => (values.length ? total(values) / values.length : null);

// Of a host that does not answer nothing is shown: neither values nor free GPUs.
// The indices of the GPUs that an answer of /free offers.
const freeIn = (offer) => new Set(offer.gpus.map((gpu) => gpu.idx).sort((one, other) => one - other));

const NOTHING = { gpus: [], users: [], free: new Set(), simulated: false, health: null };

async function look(host, signal) {
  const ask = (path) => get(host.path + path, signal, host.path);
  try {
    const { gpus, simulated, health = null } = checked(await ask("gpu"), GPUS);
    const { users } = await ask("users");
    const offer = await ask("free?count=128"); // as many as a host can have
    const free = freeIn(offer);
    Object.assign(host, { gpus, simulated, health, users, free, fault: null, seen: performance.now(), seenAt: new Date(), lane: "quick" });
    draw(host);
  } catch (error) {
    if (signal.aborted) return;
    const fault = error instanceof Refused ? TEXTS.wantsToken : worded(error);
    Object.assign(host, NOTHING, { fault, lane: error instanceof Silent ? "silent" : "quick" });
    draw(host);
  }
}

// Asks the hosts whose turn it is, as far as there are connections.
function turn(signal) {
  const due = hosts.filter((host) => !host.asking && host.due <= performance.now());
  due.sort((one, other) => one.due - other.due); // who has waited longest
  for (const host of due) {
    const { lane } = host;
    if (busy[lane] >= LANES[lane]) continue;
    busy[lane] += 1;
    host.asking = true;
    while (host.due < performance.now() + INTERVAL / 2) host.due += INTERVAL;
    look(host, signal).finally(() => {
      busy[lane] -= 1;
      host.asking = false;
    });
  }
}

function tile(host, gpu) {
  const verdict = gpu.health.verdict ?? "unknown";
  const users = usersOf(host, gpu);
  const free = host.free.has(gpu.id);
  const word = TEXTS.states[gpu.state] ?? TEXTS.verdicts[verdict]; // a sign and a word
  const why = failure(gpu, "utilization.gpu_percent");
  const { gpu_percent: busy } = gpu.utilization;
  const load = known(why) ? TEXTS.error : number(busy, " %");
  const watts = `${number(gpu.power.usage_watts)} / ${number(gpu.power.limit_watts, " W")}`;
  const words = [
    `${TEXTS.gpu(gpu.id)} ${product(gpu)}`,
    word,
    reasons(gpu),
    known(why) ? TEXTS.errorOf(why) : "",
    `${number(gpu.temperature_celsius, " °C")}, ${watts}`,
    users.join(", "),
  ];
  const wanted = byId("search-user").value.toLowerCase();
  const found = wanted !== "" && users.some((user) => user.toLowerCase().includes(wanted));
  const marks = `${free ? " free" : ""}${found ? " found" : ""}`;
  // With the keyboard one goes by the host: two hundred more stops would be in the way.
  return element(
    "li",
    { class: `tile ${gpu.state} ${verdict}${marks}`, title: words.filter(Boolean).join("\n") },
    element(
      "a",
      { href: `${host.path}?host#gpu${gpu.id}`, tabindex: "-1" },
      element("span.index", {}, `${word[0]} ${gpu.id}`),
      element("span.load", {}, TEXTS.states[gpu.state] ?? load),
      known(busy) ? element("progress", { max: 100, value: busy, "aria-hidden": "true" }) : null, // unknown is not 0
      element("span.rest", {}, free ? TEXTS.free : TEXTS.tileMemory(number(gpu.memory.utilization_percent, " %"))),
    ),
  );
}

function usersOf(host, gpu) {
  return host.users.filter((user) => user.gpus.includes(gpu.id)).map((user) => user.username ?? UNKNOWN);
}

const isOld = (host) => host.seen !== null && performance.now() - host.seen > OLD;
const live = () => hosts.filter((host) => host.seen !== null && !host.fault && !isOld(host));

// "8 × H100 80GB HBM3"; of several models all.
const models = (gpus) => `${gpus.length} × ${[...new Set(gpus.map(product))].join(", ")}`;

// What it has, and what is wrong with the host itself; an older agent does not judge that.
function described({ gpus, health }) {
  return health && health.verdict !== "healthy" ? `${models(gpus)} · ${judged(health)}` : models(gpus);
}

function row(host) {
  const what = host.fault ? TEXTS.down(host.fault) : host.seenAt ? described(host) : TEXTS.phases.connecting;
  const dated = host.seenAt && (host.fault || host.old);
  const note = dated ? `${what}, ${TEXTS.lastSeen(host.seenAt.toLocaleTimeString())}` : what;
  const tiles = host.gpus.map((gpu) => tile(host, gpu));
  const isSearch = byId("search-user").value !== "";
  // A host that is down stays in sight: whom it has is not known.
  const isHidden = isSearch && !host.fault && !tiles.some((one) => one.classList.contains("found"));
  return element(
    "article",
    { class: `host${host.fault ? " down" : host.old ? " old" : ""}`, hidden: isHidden },
    element(
      "div.host-head",
      {},
      element("h3", {}, element("a", { href: `${host.path}?host` }, host.name)),
      element("p.note", {}, note),
    ),
    element("ul.tiles", { "aria-label": TEXTS.gpusOf(host.name) }, tiles),
  );
}

function totals() {
  const up = live();
  const gpus = up.flatMap((host) => host.gpus);
  const values = (read) => gpus.map(read).filter(known);
  const utilization = number(mean(values((gpu) => gpu.utilization.gpu_percent)), " %");
  const all = total(values((gpu) => gpu.memory.total_mb));
  const watts = total(values((gpu) => gpu.power.usage_watts));
  const sick = (verdict) => [...gpus, ...up].filter(({ health }) => health?.verdict === verdict).length;
  const told = (value) => (up.length ? `${value}` : UNKNOWN);
  document.title = `${utilization} ${TEXTS.hostsUp(up.length, hosts.length)}`;
  return named(TEXTS.totals, {
    hosts: TEXTS.part(up.length, hosts.length),
    gpus: told(gpus.length),
    free: told(total(up.map((host) => host.free.size))),
    trouble: told(TEXTS.trouble(sick("critical"), sick("warning"))),
    utilization,
    memory: TEXTS.part(memory(total(values((gpu) => gpu.memory.used_mb)), all), memory(all)),
    power: known(watts) ? number(watts / 1000, " kW", 1) : UNKNOWN,
  });
}

// The hosts with most to give by name, the others by number.
function freeAnywhere() {
  const giving = live().filter((host) => host.free.size).sort((one, other) => other.free.size - one.free.size);
  if (!giving.length) return [live().length ? TEXTS.noneFree : UNKNOWN];
  const chip = (host) => {
    const indices = [...host.free].join(", ");
    return element("a.badge.free", { href: `${host.path}?host` }, `${host.name}: ${indices}`);
  };
  const others = giving.slice(NAMED);
  const rest = others.length ? [TEXTS.more(total(others.map((host) => host.free.size)), others.length)] : [];
  return [element("strong", {}, TEXTS.freeNow), ...giving.slice(0, NAMED).map(chip), ...rest];
}

const WHERE = 2; // the column whose lines may break

// What one user holds, by host.
function use(name, rows) {
  const sum = (read) => total(rows.map(read).filter(known));
  const gpus = sum((row) => row.gpus.length);
  const where = rows.map((row) => `${row.host}: ${row.gpus.join(", ")}`).join(" · ");
  const idle = sum((row) => row.idle_holdings?.count);
  const idleMib = sum((row) => row.idle_holdings?.gpu_memory_mb);
  const idleText = idle ? TEXTS.idleHolders(idle, memory(idleMib)) : known(idle) ? "" : UNKNOWN;
  const mib = sum((row) => row.gpu_memory_mb);
  const cells = [name, `${gpus}`, where, `${sum((row) => row.processes)}`, memory(mib), idleText];
  const cell = (text, place) => element("td", { class: place === WHERE && "where" }, text);
  return { gpus, mib: mib ?? 0, line: element("tr", {}, cells.map(cell)) };
}

// One line for each user over all hosts, who uses most first.
function users() {
  const wanted = byId("search-user").value.toLowerCase();
  const found = new Map();
  for (const host of live()) {
    for (const user of host.users) {
      const name = user.username ?? UNKNOWN;
      // Who only held something once has no process now.
      if (!user.processes || !name.toLowerCase().includes(wanted)) continue;
      found.set(name, [...(found.get(name) ?? []), { ...user, host: host.name }]);
    }
  }
  const uses = [...found].map(([name, rows]) => use(name, rows));
  return uses.sort((one, other) => other.gpus - one.gpus || other.mib - one.mib).map(({ line }) => line);
}

// A host is drawn when something of it is new: all at once would take longer than a frame.
function draw(host) {
  host.old = isOld(host);
  update(byId("hosts").children[hosts.indexOf(host)], row(host));
}

// While a computer sleeps, only the clock that can be set goes on: what was heard before is not of now.
function slept() {
  const before = offset;
  offset = difference();
  const skipped = Math.abs(offset - before);
  if (skipped > INTERVAL) hosts.filter(({ seen }) => seen !== null).forEach((host) => (host.seen -= skipped));
}

function summarize() {
  slept();
  byId("simulated").hidden = !hosts.some((host) => host.simulated);
  show(byId("totals"), ...facts(totals()));
  show(byId("free-anywhere"), ...freeAnywhere());
  show(byId("users"), ...users());
  hosts.filter((host) => isOld(host) !== host.old).forEach(draw);
}

function search() {
  hosts.forEach(draw);
  summarize();
}

// Until `signal` ends it. `names`: [{name, path}].
export function watch(names, signal) {
  if (!hosts.length) {
    const unseen = { ...NOTHING, fault: null, seen: null, seenAt: null, lane: "quick", old: false, asking: false, due: 0 };
    hosts = names.map((host) => ({ ...host, ...unseen }));
    show(byId("user-columns"), ...headings(TEXTS.userColumns));
    byId("search-user").addEventListener("input", search);
    show(byId("hosts"), ...hosts.map(row));
  }
  byId("many").hidden = false;
  byId("host").textContent = TEXTS.overview;
  byId("age").textContent = TEXTS.asked(INTERVAL / 1000);
  hosts.forEach((host, place) => {
    host.due = performance.now() + (place / hosts.length - 1) * INTERVAL; // now, then in its turn
  });
  const timers = [setInterval(turn, 50, signal), setInterval(summarize, 1000)];
  signal.addEventListener("abort", () => timers.forEach(clearInterval));
  search();
}
