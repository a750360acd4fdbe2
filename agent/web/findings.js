// What is wrong: a line above the GPUs for each thing, the gravest first, with what to do.
import { to } from "./address.js";
import { byId, element, show } from "./draw.js";
import { isTrouble, reasons } from "./model.js";
import { lines, marked } from "./mute.js";
import { TEXTS, known } from "./texts.js";

// Here every reason of a GPU makes a line, in the overview only the gravest: these are different lines, muted
// separately.
const HERE = `${location.pathname}?host`;
// Whether every verdict of the host of this path is known.
const isTold = (event) => (url) => url === HERE && [event, ...event.gpus].every(({ health }) => known(health.verdict));

export const GRAVITY = ["down", "critical", "warning"];

// "0–3, 7": indices in order.
export function ranges(indices) {
  const parts = [];
  for (const index of indices) {
    const last = parts.at(-1);
    if (last && last[1] === index - 1) last[1] = index;
    else parts.push([index, index]);
  }
  return parts.map(([first, last]) => (first === last ? `${first}` : `${first}–${last}`)).join(", ");
}

// GPUs with the same finding share a line.
function troubles({ health, gpus }) {
  const found = new Map();
  const add = (one, why) => {
    const { verdict, reasons: all } = one.health;
    const key = `${verdict} ${why}`;
    if (!found.has(key)) found.set(key, { verdict, why, first: all[0], whom: [] });
    found.get(key).whom.push(one.id);
  };
  if (isTrouble({ health })) add({ health }, health.reasons.join(". "));
  for (const gpu of gpus) if (isTrouble(gpu)) add(gpu, reasons(gpu));
  const gravity = ({ verdict }) => GRAVITY.indexOf(verdict);
  return [...found]
    .map(([key, one]) => ({ ...one, key, mark: marked(HERE, one.verdict, one.whom.join(), one.why) }))
    .sort((one, other) => gravity(one) - gravity(other));
}

// One line. `whom`: {text, href}; `todo`: what to do, if that is known; `more`: what stands at its end.
export function finding(key, verdict, word, { text, href }, why, todo, more) {
  return element(
    `li.finding.${verdict}`,
    { "data-key": key },
    element("span", { class: `badge ${verdict}` }, word),
    " ",
    element("b", {}, known(href) ? element("a", { href }, text) : text),
    " ",
    element("span.reason", {}, why),
    known(todo) ? [" ", element("span.todo", {}, `→ ${todo}`)] : null,
    more,
  );
}

function line({ key, verdict, why, first, whom }, more, advice) {
  const [only] = whom;
  const text = known(only) ? TEXTS.gpu(ranges(whom)) : TEXTS.theHost;
  const href = known(only) && whom.length === 1 ? to({}, `#gpu${only}`) : null;
  return finding(key, verdict, TEXTS.verdicts[verdict], { text, href }, why, advice.get(first), more);
}

// Without current values no findings are shown; their place stays empty, so that nothing moves.
export function render({ event, advice, phase }) {
  const place = byId("findings");
  const isNow = phase === "live";
  if (!isNow && place.children.length) place.style.minHeight = `${place.offsetHeight}px`;
  if (isNow) place.style.minHeight = "";
  show(place, ...(isNow ? lines(troubles(event), (one, more) => line(one, more, advice), isTold(event)) : []));
}
