// The GPUs of a host: cards for few GPUs, rows for more, tiles for many.
import { to } from "./address.js";
import { card, usersText } from "./cards.js";
import { byId, element, line, show, told } from "./draw.js";
import { described, failure, offersNow } from "./model.js";
import { isLive, processesNow } from "./state.js";
import { slices } from "./slices.js";
import { TEXTS, known, number, words } from "./texts.js";

const SPAN = 300_000; // milliseconds that the small lines show
const MOST = { cards: 4, rows: 16 }; // GPUs
const NARROW = matchMedia("(max-width: 600px)"); // a card would fill such a screen
export const WIDE = matchMedia("(min-width: 1600px)"); // rows have room for lines

export function density(view, count) {
  if (view.density) return view.density;
  if (count <= MOST.cards && !NARROW.matches) return "cards";
  return count <= MOST.rows ? "rows" : "tiles";
}

const badge = ({ word, kind }) => element(`span.badge.${kind.replace(" ", ".")}`, {}, word);
// Whether it is free; null: unknown.
export function freeBadge({ free, isKeptOut }) {
  if (free) return element("span.badge.free", {}, free);
  return isKeptOut ? element("span.badge.kept-out", { title: TEXTS.keptOut }, TEXTS.aside) : null;
}
const link = ({ href, spoken }, text, more) => element("a.to", { href, "aria-label": spoken, ...more }, text);
const bar = (share) =>
  known(share)
    ? element("progress", { max: 1, value: share.toFixed(3), "aria-hidden": "true" })
    : element("span.no-bar", { "aria-hidden": "true" }); // that of 0 would be a value

const share = ({ now, top }) => (known(now) && top ? Math.min(1, now / top) : null);

// A number, its limit and its share of the limit.
function amount({ name, now, why, top, whyTop, limited, write }, drawn) {
  const written = write(now);
  const value = limited && known(top) ? written.replace(/\s.*/, "") : written;
  return element(
    `span.amount.${name}`,
    {},
    element("b", {}, told(value, why)),
    limited ? element("small", {}, "/", told(write(top), whyTop)) : null,
    drawn,
  );
}

function row(model, rows) {
  const [utilization, used, temperature, power] = model.measures;
  const limits = model.gpu.throttling.reason_names?.filter((name) => name !== "gpu_idle").map(words).join(", ");
  const draw = (place) => (WIDE.matches && rows ? line(rows, place, model.measures[place].top, 28) : null);
  const drawn = (one, place) => amount(one, draw(place) ?? (place < 2 ? bar(share(one)) : null));
  return element(
    `li.row.${model.kind.replace(" ", ".")}`,
    { "data-key": model.id },
    element("span.who", {}, link(model, TEXTS.gpu(model.id)), model.isMixed ? element("span.model", {}, model.product) : null),
    badge(model),
    [utilization, used, temperature, power].map(drawn),
    element("span.users", {}, freeBadge(model), model.free ? null : [" ", usersText(model)]),
    element("span.limits", { title: limits }, ...(limits ? ["▼", element("span", {}, limits)] : [])),
    slices(model.mig, model.instances),
  );
}

// `more`: attributes of its link.
export function tile(model, more) {
  const [utilization, used] = model.measures;
  const why = failure(model.gpu, "utilization.gpu_percent");
  const load = model.stateWord?.slice(2) ?? (known(why) ? TEXTS.error : utilization.write(utilization.now));
  const filled = share(used);
  const rest = model.free ?? (model.isKeptOut ? TEXTS.aside : null) ?? TEXTS.tileMemory(number(known(filled) ? filled * 100 : null, " %"));
  return element(
    `li.tile.${model.kind.replace(" ", ".")}${model.free ? ".free" : ""}`,
    { "data-key": model.id },
    link(model, `${model.word[0]} ${model.id}`, more),
    element("span.load", {}, load),
    bar(share(utilization)),
    element("span.rest", {}, rest),
  );
}

// The GPUs that match the filters in the address; null: all, because the values that a filter needs are unknown now.
function chosen(models, state) {
  const { view } = state;
  const isNow = isLive();
  const processes = processesNow();
  const tests = [];
  if (view.only === "free") tests.push(offersNow(state) && ((model) => model.free));
  if (view.only === "trouble") tests.push(isNow && ((model) => model.isTrouble));
  if (view.user) {
    const theirs = new Set(processes?.filter((one) => isOf(one, view.user)).map(({ idx }) => idx));
    tests.push(processes && ((model) => theirs.has(model.id)));
  }
  if (tests.some((test) => !test)) return null;
  return new Set(models.filter((model) => tests.every((test) => test(model))).map(({ id }) => id));
}

// Matches a part of the name, or the uid.
export const isOf = (process, user) =>
  (process.username ?? "").toLowerCase().includes(user.toLowerCase()) || `${process.uid ?? ""}` === user;

// `past`: history.js, once it is here.
export function render(state, past) {
  const { event, view } = state;
  const models = event.gpus.map((gpu) => described(gpu, state));
  const isMixed = new Set(models.map((model) => model.product)).size > 1; // else the head of the list says it once
  for (const model of models) model.isMixed = isMixed;
  const kind = density(view, models.length);
  const left = chosen(models, state);
  const make = {
    cards: (model) => card(model, past?.recent(model.gpu, SPAN) ?? [], [
      element("h3", {}, link(model, TEXTS.gpu(model.id))), freeBadge(model), badge(model),
    ]),
    rows: (model) => row(model, WIDE.matches ? past?.recent(model.gpu, SPAN) : null),
    tiles: (model) => tile(model),
  }[kind];
  byId("gpus").className = isMixed ? `${kind} mixed` : kind;
  show(byId("gpus"), ...models.map((model) => {
    const made = make(model);
    if (left && !left.has(model.id)) made.classList.add("filtered"); // all of them are printed
    return made;
  }));
  note(models.length, left, view);
}

function note(count, left, view) {
  const isFiltered = view.only || view.user;
  const hidden = left ? count - left.size : 0;
  const text = !isFiltered ? "" : left ? hidden && TEXTS.hidden(hidden) : TEXTS.notFiltered;
  const all = element("a", { href: to({ only: null, user: null }) }, TEXTS.showAll);
  show(byId("gpus-note"), ...(text ? [`${text} `, all] : []));
}
