// GPU hours held and used by each user over 7 or 30 days, which the agent keeps if STATE_DIR is set.
import { to } from "./address.js";
import { USAGE } from "./answers.js";
import { file, get, worded } from "./api.js";
import { element } from "./draw.js";
import { checked } from "./shape.js";
import { changed, state } from "./state.js";
import { UNKNOWN, known, memory, number } from "./texts.js";
import { moment } from "./usertable.js";
import { WORDS } from "./words.js";

const SPANS = ["7", "30"]; // days
const PACE = 60_000; // milliseconds: the agent writes as often
const MOST = 100; // rows

let newest = null; // the newest answer, and when it was asked as `at`
let fault = null; // why there is none of these days
let saving = null; // why the file was not saved

const chosen = () => state.view.hours ?? SPANS[0];
const isOf = (days) => newest?.days === days;

export async function load(signal) {
  const days = chosen();
  const at = performance.now();
  if (isOf(days) && at - newest.at < PACE) return;
  try {
    newest = { ...checked(await get(`usage?days=${days}&by=user`, signal), USAGE), days, at };
    fault = null;
  } catch (error) {
    if (!signal.aborted) fault = { days, text: worded(error) };
  }
}

// Saves the answer as a file for a spreadsheet; a link could not send the token.
async function save(days) {
  try {
    const address = URL.createObjectURL(await file(`usage?days=${days}&by=user&format=csv`));
    element("a", { href: address, download: `gpu-hours-${newest.first_day}-${newest.last_day}.csv` }).click();
    setTimeout(() => URL.revokeObjectURL(address), PACE);
    saving = null;
  } catch (error) {
    saving = worded(error);
  }
  changed();
}

const hours = (value) => number(value, " h", 1);

// Held hours as a bar, with the used hours in it; the rest was idle or not reported.
function bar({ hours_held: held, hours_used: used }, most) {
  const share = (value) => `${(100 * (value ?? 0)) / most}%`;
  return element(
    "svg.hours",
    { "aria-hidden": "true" },
    element("line.held", { x1: 0, x2: share(held), y1: "50%", y2: "50%" }),
    used ? element("line.used", { x1: 0, x2: share(used), y1: "50%", y2: "50%" }) : null,
  );
}

// A share is of the reported time, which may be less than the held time.
function used({ hours_held: held, hours_used: value, hours_told: covered }) {
  if (!known(value)) return [UNKNOWN];
  const ofTold = covered < 0.99 * held ? WORDS.ofTold(hours(covered)) : "";
  return [hours(value), element("small", {}, ` ${number((100 * value) / covered, " %")} ${ofTold}`)];
}

const memories = ({ gpu_memory_mean_mb: mean, gpu_memory_peak_mb: peak }) =>
  known(mean) ? WORDS.meanAndMost(memory(mean, peak), memory(peak)) : UNKNOWN;

const COLUMNS = {
  user: ({ username, uid }) => [`${username ?? uid ?? WORDS.unknownOwner}`],
  held: (user, most) => [hours(user.hours_held), bar(user, most)],
  used,
  idle: ({ hours_idle: idle }) => [hours(idle)],
  memory: (user) => [memories(user)],
};

function row(user, most) {
  const cells = Object.entries(COLUMNS).map(([column, content]) =>
    element("td", { class: column === "user" ? column : `${column} numeric`, "data-name": WORDS.hoursOf[column] }, content(user, most)));
  return element("tr", { "data-key": `${user.uid}` }, cells);
}

function table(users) {
  const most = Math.max(...users.map(({ hours_held: held }) => held)) || 1;
  const heads = Object.keys(COLUMNS).map((column) =>
    element("th", { scope: "col", class: column !== "user" && "numeric" }, WORDS.hoursOf[column]));
  return element(
    "table",
    {},
    element("thead", {}, element("tr", {}, heads)),
    element("tbody", {}, users.slice(0, MOST).map((user) => row(user, most))),
  );
}

function notes(days) {
  if (fault?.days === days) return [fault.text];
  if (!isOf(days)) return [];
  const { users, since, first_day: first, last_day: last, zone, left_out: out, hours_watched: watched, written_at: at } = newest;
  const more = users.length + out - MOST;
  return [
    WORDS.days(first, last, zone),
    since > first ? WORDS.countedSince(since) : null,
    users.length ? null : watched ? WORDS.noHours : WORDS.nothingCounted,
    since === null ? null : known(at) ? WORDS.countedUpTo(moment(at)) : WORDS.notCountedYet,
    more > 0 ? WORDS.others(more) : null,
    WORDS.hoursMean,
    saving,
  ];
}

// The section below the present users.
export function section() {
  const days = chosen();
  const spans = SPANS.map((span) => {
    const link = { href: to({ hours: span }), "data-replace": "", "aria-current": span === days && "true" };
    return element("a", link, WORDS.lastDays(span));
  });
  const isThere = isOf(days) && newest.users.length;
  return [
    element("h2", { id: "users-hours" }, WORDS.hours),
    element("nav.spans", { "aria-label": WORDS.spans }, spans, isThere ? element("button", { type: "button" }, WORDS.csv) : null),
    element("div.scroll.people", { tabindex: "0", role: "region", "aria-labelledby": "users-hours" }, isThere ? table(newest.users) : null),
    element("p.note", {}, notes(days).filter(known).join(" ")),
  ];
}

// The buttons of the section are drawn anew, their place is not.
export function listen(place) {
  place.addEventListener("click", ({ target }) => target.closest(".spans button") && save(chosen()));
}
