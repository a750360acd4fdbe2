// The users of a host: the GPUs that they hold now, their GPU time, and who holds idle GPUs, since when.
import { to } from "./address.js";
import { USERS } from "./answers.js";
import { get } from "./api.js";
import { element } from "./draw.js";
import { checked } from "./shape.js";
import { INTERVAL, isLive, processesNow, state } from "./state.js";
import { TEXTS, duration, known } from "./texts.js";
import * as usage from "./usage.js";
import { idleText, moment, table } from "./usertable.js";
import { WORDS } from "./words.js";

const OLD = 3 * INTERVAL * 1000; // milliseconds after which an answer is no longer that of now

let newest = null; // the newest answer, and when it came
let keepsHours = false; // whether the agent keeps the hours of each user for days; also while it is not live

export async function load(_, signal) {
  try {
    newest = { ...checked(await get("users", signal), USERS), at: performance.now() };
    keepsHours = known(newest.usage_days);
  } catch (error) {
    newest = null; // whom it named may hold nothing now
    throw error;
  }
  if (keepsHours) await usage.load(signal);
}

// The uid if a user has no name, like `ps`.
const nameOf = ({ username, uid }) => username ?? uid;

// Their idle holders, the longest idle first.
function idleHolders({ username, uid }) {
  const isTheirs = (process) => process.username === username && (uid === null || process.uid === uid);
  const idle = (processesNow() ?? []).filter((process) => process.idle_holder && isTheirs(process));
  return idle.sort((one, other) => other.idle_seconds - one.idle_seconds);
}

const gpuLink = (index) => element("a", { href: to({}, `#gpu${index}`) }, TEXTS.gpu(index));

function idle(user) {
  const { count, gpu_memory_mb: mib } = user.idle_holdings ?? {};
  const now = Date.parse(state.event.timestamp);
  const each = count ? idleHolders(user).map(({ idx, pid, idle_seconds: seconds }) =>
    element("li", {}, gpuLink(idx), `, PID ${pid}: ${WORDS.idleSince(duration(seconds), moment(now - seconds * 1000))}`)) : [];
  return [idleText(count, mib), each.length ? element("ul", {}, each) : null];
}

// A row; a click filters GPUs and processes by this user, a second click removes the filter.
function row(user) {
  const shown = nameOf(user);
  const isChosen = state.view.user === `${shown}`;
  return {
    key: `${user.username} ${user.uid}`,
    name: known(shown) ? `${shown}` : null,
    href: known(shown) ? to({ user: isChosen ? null : shown }, "") : null,
    isChosen,
    count: user.gpus.length,
    where: user.gpus.flatMap((index, place) => [place ? ", " : null, gpuLink(index)]),
    processes: user.processes,
    mib: user.gpu_memory_mb,
    sm: user.sm_utilization_percent,
    held: user.gpu_seconds_held,
    used: user.gpu_seconds_used,
    idle: idle(user),
  };
}

let listening = null; // the place

// Without current values no users are shown, because they may have changed.
export function render(place) {
  if (!isLive() || performance.now() - newest?.at > OLD) newest = null;
  const notes = [state.viewFault];
  if (!isLive()) notes.push(WORDS.usersUnknown);
  if (newest?.unknown_idx.length) notes.push(WORDS.processesUnknown(newest.unknown_idx.join(", ")));
  else if (newest && !newest.users.length) notes.push(WORDS.noUsers);
  table(place, newest && newest.users.map(row), notes, keepsHours ? usage.section() : []);
  if (listening !== place) usage.listen(place);
  listening = place;
}
