// The users of all hosts: the GPUs that they hold now, and the GPU time; requested only while this view is shown.
import { to } from "./address.js";
import { USERS } from "./answers.js";
import { worded } from "./api.js";
import { now } from "./clock.js";
import { element } from "./draw.js";
import { isOf } from "./filter.js";
import { fleet, isLive } from "./fleet.js";
import { checked } from "./shape.js";
import { state } from "./state.js";
import { known } from "./texts.js";
import { idleText, moment, table } from "./usertable.js";
import { WORDS } from "./words.js";

const answers = new Map(); // by the name of a host, with when it came as `at`
let isDue = false; // whether an answer is to be drawn
const asking = new Set(); // names of the hosts that are being asked

const isNow = (answer) => answer && now() - answer.at <= 3 * fleet.interval;

// Sends one request at a time, after each /summary of a host.
async function load(host) {
  if (asking.has(host.name) || !isLive(host)) return;
  asking.add(host.name);
  try {
    const { users, unknown_idx: unknown } = checked(await host.ask("users"), USERS);
    answers.set(host.name, { users, isWhole: !unknown.length, fault: null, at: now() });
  } catch (error) {
    answers.set(host.name, { users: [], isWhole: false, fault: worded(error), at: now() });
  } finally {
    asking.delete(host.name);
    isDue = true;
  }
}

// The list if every value is known; null: one is unknown.
function sum(parts, read) {
  const values = parts.map(read);
  return values.every(known) ? values.reduce((total, value) => total + value, 0) : null;
}

const link = (host, index) => element("a", { href: `${host.url}?host#gpu${index}` }, `${index}`);

// "node03: 0, 1".
const onHost = ({ host, gpus }) => [`${host.name}: `, ...gpus.flatMap((index, place) => [place ? ", " : "", link(host, index)])];

function idle(parts) {
  const count = sum(parts, (user) => user.idle_holdings?.count);
  const each = parts.filter((user) => user.idle_holdings?.count).map((user) => {
    const { since, gpus } = user.idle_holdings;
    return element("li", {}, ...onHost({ host: user.host, gpus: gpus ?? [] }), known(since) ? ` ${WORDS.since(moment(since))}` : "");
  });
  return [idleText(count, sum(parts, (user) => user.idle_holdings?.gpu_memory_mb)), each.length ? element("ul", {}, each) : null];
}

// A link to the GPUs of this user on all hosts.
function row([name, parts]) {
  const gpus = sum(parts, (user) => user.gpus.length);
  const holding = parts.filter((user) => user.gpus.length);
  return {
    key: `${name}`,
    name,
    href: known(name) ? to({ user: name }, "#gpus") : null,
    isChosen: state.view.user === name,
    count: gpus,
    where: holding.flatMap((user, place) => [place ? " · " : "", ...onHost(user)]),
    processes: sum(parts, (user) => user.processes),
    mib: sum(parts, (user) => user.gpu_memory_mb),
    sm: gpus ? sum(holding, (user) => known(user.sm_utilization_percent) ? (user.sm_utilization_percent * user.gpus.length) / gpus : null) : null,
    held: sum(parts, (user) => user.gpu_seconds_held),
    used: sum(parts, (user) => user.gpu_seconds_used),
    idle: idle(parts),
  };
}

export function render(place) {
  const { user: wanted, node } = state.view;
  const hosts = fleet.hosts.filter((host) => !node || host.name.toLowerCase().includes(node.toLowerCase()));
  const untold = [];
  const found = new Map(); // by name: the values of each host
  for (const host of hosts) {
    const answer = answers.get(host.name);
    if (!isLive(host) || !isNow(answer) || !answer.isWhole) untold.push(host.name);
    if (!isLive(host) || !isNow(answer)) continue;
    for (const user of answer.users) {
      const name = user.username ?? (known(user.uid) ? `${user.uid}` : null);
      if (wanted && isOf([name], wanted) === false) continue;
      found.set(name, [...(found.get(name) ?? []), { ...user, host }]);
    }
  }
  const notes = [untold.length && WORDS.notKnownOf(untold.join(", ")), !found.size && !untold.length && WORDS.noUsers];
  table(place, [...found].map(row), notes);
}

export const renderHost = (_, host) => load(host);

// Once a second.
export function renderAges(place) {
  if (isDue) render(place);
  isDue = false;
}

// Asks at once when the view is opened.
export const begin = () => fleet.hosts.forEach(load);
