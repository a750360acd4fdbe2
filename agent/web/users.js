// The users of a host: what they hold now, what they held and used, and who holds GPUs idle, since when.
import { to } from "./address.js";
import { get } from "./api.js";
import { element, show, styled } from "./draw.js";
import { INTERVAL, isLive, processesNow, state } from "./state.js";
import { TEXTS, UNKNOWN, duration, known, memory, number } from "./texts.js";
import * as usage from "./usage.js";
import { WORDS } from "./words.js";

await styled("users.css");

const WHEN = { weekday: "short", hour: "2-digit", minute: "2-digit" };

const OLD = 3 * INTERVAL * 1000; // milliseconds after which an answer is no longer that of now

let told = null; // the newest answer, and when it came
let keepsHours = false; // whether the agent keeps the hours of each user for days; also while it is not live

export async function load(_, signal) {
  try {
    told = { ...(await get("users", signal)), at: performance.now() };
    keepsHours = known(told.usage_days);
  } catch (error) {
    told = null; // whom it named may hold nothing now
    throw error;
  }
  if (keepsHours) await usage.load(signal);
}

// The number where a user has no name, as `ps` writes it.
const nameOf = ({ username, uid }) => username ?? uid;

// Their processes that hold a GPU and do nothing there, the longest idle first.
function idleHolders({ username, uid }) {
  const isTheirs = (process) => process.username === username && (uid === null || process.uid === uid);
  const idle = (processesNow() ?? []).filter((process) => process.idle_holder && isTheirs(process));
  return idle.sort((one, other) => other.idle_seconds - one.idle_seconds);
}

const gpuLink = (index) => element("a", { href: to({}, `#gpu${index}`) }, TEXTS.gpu(index));

function idle(user) {
  const { count, gpu_memory_mb: mib } = user.idle_holdings ?? {};
  if (!known(count)) return [UNKNOWN];
  if (!count) return [];
  const now = Date.parse(state.event.timestamp);
  const since = (seconds) => new Date(now - seconds * 1000).toLocaleString([], WHEN);
  const each = idleHolders(user).map(({ idx, pid, idle_seconds: seconds }) =>
    element("li", {}, gpuLink(idx), `, PID ${pid}: ${WORDS.idleSince(duration(seconds), since(seconds))}`));
  return [`▲ ${TEXTS.idleHolders(count, memory(mib))}`, each.length ? element("ul", {}, each) : null];
}

const hours = (seconds) => (known(seconds) && seconds >= 3600 ? number(seconds / 3600, " h", 1) : duration(seconds));

function used({ gpu_seconds_held: held, gpu_seconds_used: seconds }) {
  const share = known(seconds) && held ? element("small", {}, ` ${number((100 * seconds) / held, " %")}`) : null;
  return [hours(seconds), share];
}

// By the name of its text: what stands in it, and whether it is a number.
const COLUMNS = {
  user: [(user) => name(user)],
  gpus: [({ gpus }) => gpus.flatMap((index, place) => [place ? ", " : null, gpuLink(index)])],
  processes: [({ processes }) => [`${processes}`], true],
  memory: [({ gpu_memory_mb: mib }) => [memory(mib)], true],
  sm: [({ sm_utilization_percent: percent }) => [number(percent, " %")], true],
  held: [({ gpu_seconds_held: seconds }) => [hours(seconds)], true],
  used: [used, true],
  idle: [idle],
};

// A click shows the GPUs and the processes of this user; another takes the choice back.
function name(user) {
  const shown = nameOf(user);
  if (!known(shown)) return [UNKNOWN];
  const isChosen = state.view.user === `${shown}`;
  const link = { href: to({ user: isChosen ? null : shown }, ""), "aria-current": isChosen && "true" };
  return [element("a.user", link, `${shown}`)];
}

function row(user) {
  const cells = Object.entries(COLUMNS).map(([column, [content, numeric]]) =>
    element("td", { class: `${column}${numeric ? " numeric" : ""}`, "data-name": WORDS.ofUsers[column] }, content(user)));
  return element("tr", { "data-key": `${user.username} ${user.uid}` }, cells);
}

// Who holds most now comes first.
const most = (one, other) =>
  other.gpus.length - one.gpus.length || (other.gpu_memory_mb ?? 0) - (one.gpu_memory_mb ?? 0) ||
  (other.gpu_seconds_held ?? 0) - (one.gpu_seconds_held ?? 0);

function table(users) {
  const heads = Object.entries(COLUMNS).map(([column, [, numeric]]) =>
    element("th", { scope: "col", class: numeric && "numeric" }, WORDS.ofUsers[column]));
  return element(
    "table",
    {},
    element("thead", {}, element("tr", {}, heads)),
    element("tbody", {}, [...users].sort(most).map(row)),
  );
}

let listening = null; // the place

// Whose a GPU was is not whose it is now: without values of now nobody is named.
export function render(place) {
  if (!isLive() || performance.now() - told?.at > OLD) told = null;
  const notes = [state.viewFault];
  if (!isLive()) notes.push(WORDS.usersUnknown);
  if (told?.unknown_idx.length) notes.push(WORDS.processesUnknown(told.unknown_idx.join(", ")));
  else if (told && !told.users.length) notes.push(WORDS.noUsers);
  show(
    place,
    element("h2", { id: "users-now", tabindex: "-1" }, TEXTS.users),
    element("p.note", {}, notes.filter(known).join(" ")),
    element("div.scroll.people", { tabindex: "0", role: "region", "aria-labelledby": "users-now" }, told ? table(told.users) : null),
    element("p.note", {}, WORDS.sinceStart),
    ...(keepsHours ? usage.section() : []),
  );
  if (listening !== place) usage.listen(place);
  listening = place;
}
