// A table of users: the GPUs that they hold now, their GPU time, and their idle GPUs, since when.
import { element, show, styled } from "./draw.js";
import { TEXTS, UNKNOWN, duration, known, memory, number } from "./texts.js";
import { WORDS } from "./words.js";

await styled("users.css");

const WHEN = { weekday: "short", hour: "2-digit", minute: "2-digit" };

const hours = (seconds) => (known(seconds) && seconds >= 3600 ? number(seconds / 3600, " h", 1) : duration(seconds));

// A time, in milliseconds since the epoch, as local text.
export const moment = (milliseconds) => new Date(milliseconds).toLocaleString([], WHEN);

// The memory that idle processes hold; null: unknown.
export function idleText(count, mib) {
  if (!known(count)) return UNKNOWN;
  return count ? `▲ ${TEXTS.idleHolders(count, memory(mib))}` : "";
}

function name({ name, href, isChosen }) {
  return href ? [element("a.user", { href, "aria-current": isChosen && "true" }, name)] : [name ?? UNKNOWN];
}

function used({ held, used }) {
  const share = known(used) && held ? element("small", {}, ` ${number((100 * used) / held, " %")}`) : null;
  return [hours(used), share];
}

// The columns by the name of their text: the content of a cell, and whether it is a number.
const COLUMNS = {
  user: [name],
  gpus: [({ where }) => where],
  processes: [({ processes }) => [`${processes}`], true],
  memory: [({ mib }) => [memory(mib)], true],
  sm: [({ sm }) => [number(sm, " %")], true],
  held: [({ held }) => [hours(held)], true],
  used: [used, true],
  idle: [({ idle }) => idle],
};

function row(user) {
  const cells = Object.entries(COLUMNS).map(([column, [content, numeric]]) =>
    element("td", { class: `${column}${numeric ? " numeric" : ""}`, "data-name": WORDS.ofUsers[column] }, content(user)));
  return element("tr", { "data-key": user.key }, cells);
}

// Users who hold most now come first.
const most = (one, other) =>
  other.count - one.count || (other.mib ?? 0) - (one.mib ?? 0) || (other.held ?? 0) - (one.held ?? 0);

function rows(users) {
  const heads = Object.entries(COLUMNS).map(([column, [, numeric]]) =>
    element("th", { scope: "col", class: numeric && "numeric" }, WORDS.ofUsers[column]));
  return element("table", {}, element("thead", {}, element("tr", {}, heads)), element("tbody", {}, [...users].sort(most).map(row)));
}

// `users`: null: not known, else of each {key, name, href, isChosen; count, where: of GPUs; processes, mib, sm:
// percent; held, used: seconds of GPUs; idle: nodes}. `below`: nodes under the table.
export function table(place, users, notes, below = []) {
  show(
    place,
    element("h2", { id: "users-now", tabindex: "-1" }, TEXTS.users),
    element("p.note", {}, notes.filter(Boolean).join(" ")),
    element("div.scroll.people", { tabindex: "0", role: "region", "aria-labelledby": "users-now" }, users && rows(users)),
    element("p.note", {}, WORDS.sinceStart),
    ...below,
  );
}
