// "I need 2 GPUs with 40 GB": the hosts that have them free now, best first, and how to use them. Nothing is reserved.
import { read, replace } from "./address.js";
import { FREE } from "./answers.js";
import { Refused, worded } from "./api.js";
import { now } from "./clock.js";
import { buttons, nameOf } from "./copy.js";
import { byId, element, show, styled } from "./draw.js";
import { ranges } from "./findings.js";
import { checked } from "./shape.js";
import { TEXTS, known, memory } from "./texts.js";
import { question, wishFrom, wishOf, written } from "./wish.js";
import { WORDS } from "./words.js";

await styled("need.css");

const INTERVAL = 5000; // milliseconds between two questions to a host, while its answer is in sight
const OLD = 3 * INTERVAL; // milliseconds after which what was free is not known to be free
const LOGIN = /^[A-Za-z0-9][\w.-]*$/; // names that a shell takes as they are
const CONTAINER = /^[0-9a-f]{12}$/; // how Docker names a container, which is no host to log in to
const MIG = /^MIG is enabled\b/; // of the agent's reasons why it passed a GPU over

let hosts = () => []; // as fleet.js has them
let wish = null; // null: nobody asks
let answers = new Map(); // by the path of the host: {offer, at} or {why}
let round = 0; // of questions; those of an earlier one are of no use

const pause = (milliseconds) => new Promise((resume) => setTimeout(resume, milliseconds));

// Asks one host repeatedly, as long as the page is visible.
async function follow(host, mine) {
  for (; mine === round; await pause(INTERVAL)) {
    if (document.hidden) continue;
    const at = now();
    const answer = await host.ask(question(wish)).then((offer) => ({ offer: checked(offer, FREE), at })).catch(
      (error) => ({ why: error instanceof Refused ? TEXTS.wantsToken : worded(error) }),
    );
    if (mine !== round) return;
    answers.set(host.url, answer);
    render();
  }
}

function search(wanted) {
  wish = wanted;
  round += 1;
  answers = new Map();
  const mine = round;
  if (wish) for (const host of hosts()) follow(host, mine);
  render();
}

// The present offer of a host; null: unknown.
function offerOf({ url }) {
  const answer = answers.get(url);
  return answer?.offer && now() - answer.at <= OLD ? answer.offer : null;
}

// The order of hosts, like that of GPUs in /free: most free memory, then coolest. The worst of the offered GPUs counts.
function rank(offer) {
  const free = offer.gpus.map((gpu) => gpu.free_memory_mb ?? -1);
  const heat = offer.gpus.map((gpu) => gpu.temperature_celsius ?? Infinity);
  return [-Math.min(...free), Math.max(...heat)];
}

function better(one, other) {
  const [left, right] = [rank(one.offer), rank(other.offer)];
  return left[0] - right[0] || left[1] - right[1] || one.host.name.localeCompare(other.host.name);
}

function ssh(host) {
  const name = host.hostname ?? host.summary?.hostname ?? "";
  return LOGIN.test(name) && !CONTAINER.test(name) ? element("button.copy", { type: "button", "data-copy": `ssh ${name}` }, WORDS.copySsh) : null;
}

function line({ host, offer }) {
  const names = [...new Set(offer.gpus.map((gpu) => gpu.name?.replace(/^NVIDIA /, "")))].filter(known).join(", ");
  const free = offer.gpus.map((gpu) => gpu.free_memory_mb);
  const least = free.every(known) && free.length ? WORDS.atLeastFree(memory(Math.min(...free))) : "";
  const about = [offer.gpus.map(nameOf).join(", "), names, least].filter(Boolean).join(" · ");
  return element(
    "li",
    { "data-key": host.url },
    element("b", {}, hosts().length > 1 ? element("a", { href: `${host.url}?host` }, host.name) : host.name),
    " ",
    element("span", {}, about),
    " ",
    element("span.take", {}, buttons(offer.gpus), ssh(host)),
  );
}

// Why the GPUs of the only host do not suit.
function reasons({ passed_over: passed = [] }) {
  const found = new Map();
  for (const { idx, reason } of passed) found.set(reason, [...(found.get(reason) ?? []), idx]);
  return [...found].map(([why, indices]) => `${TEXTS.gpu(ranges(indices))}: ${why}.`);
}

// Whether some hosts have GPUs in MIG mode, whose instances are not counted here: "Free now" of a host lists them.
const hasMig = (asked) => asked.some(({ offer }) => offer?.passed_over?.some(({ reason }) => MIG.test(reason)));

function notes(asked, can) {
  const unknown = asked.filter(({ offer }) => !offer);
  const whys = unknown.map(({ host }) => [host.name, answers.get(host.url)?.why].filter(Boolean).join(": "));
  return [
    unknown.length === asked.length ? "" : WORDS.canGive(can.length, asked.length),
    can.length ? WORDS.notReserved : "",
    ...(asked.length === 1 && asked[0].offer && !can.length ? reasons(asked[0].offer) : []),
    hasMig(asked) ? WORDS.noInstances : "",
    unknown.length ? WORDS.untoldHosts(unknown.length, whys.slice(0, 3).join(", ")) : "",
  ].filter(Boolean).join(" ");
}

function render() {
  byId("found").hidden = !wish;
  if (!wish) return;
  const asked = hosts().map((host) => ({ host, offer: offerOf(host) }));
  const can = asked.filter(({ offer }) => offer?.satisfied).sort(better);
  show(byId("found-hosts"), ...can.map(line));
  const text = notes(asked, can);
  if (byId("found-note").textContent !== text) byId("found-note").textContent = text; // a status is said when it changes
}

// A number may be written as ".5" or "1e2". null: the field is empty.
const given = ({ value, validity, valueAsNumber: number }) => (value || validity.badInput ? number : null);

// The wish in the need line; null: it is not filled in.
export function wanted() {
  const [count, gb, model] = ["count", "gb", "model"].map((name) => byId(`need-${name}`));
  return wishFrom(given(count), given(gb), model.value);
}

function field(name, attributes) {
  const label = WORDS.needNames[name];
  return element("label", {}, `${WORDS.need[name]} `, element("input", { id: `need-${name}`, autocomplete: "off", "aria-label": label, ...attributes }));
}

// `all()`: the hosts, as in fleet.js; `more`: elements at the end of the line.
export function mount(all, more = null) {
  hosts = all;
  const { need: asked } = read();
  const found = wishOf(asked);
  const form = element(
    "form",
    { id: "need-line", "aria-label": WORDS.needLine },
    field("count", { type: "number", min: 1, max: 128, required: true, value: found?.count ?? 1 }),
    field("gb", { type: "number", min: 0, max: 999_999, step: 0.001, value: found?.gb }),
    field("model", { type: "search", value: found?.model }),
    element("button", { type: "submit" }, WORDS.find),
    more,
  );
  const close = element("button", { type: "button" }, WORDS.close);
  const answer = element(
    "section", { id: "found", hidden: true, "aria-label": WORDS.whoCan },
    close, element("p", { id: "found-note", role: "status" }), element("ul", { id: "found-hosts" }),
  );
  const go = (wanted) => {
    replace({ need: wanted && written(wanted) });
    search(wanted);
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    go(wanted());
  });
  close.addEventListener("click", () => go(null));
  byId("need").append(form, answer);
  setInterval(() => wish && render(), 1000); // what is old goes
  if (found) search(found);
  else if (asked) {
    answer.hidden = false;
    byId("found-note").textContent = WORDS.notTaken(asked);
  }
}
