// The panel "Tell me when": possible waits, present waits, and how notice is given.
import { askPermission, permission, ring, wake } from "./alarm.js";
import * as awaited from "./awaited.js";
import { byId, element, show } from "./draw.js";
import { sighting } from "./kinds.js";
import { wanted } from "./need.js";
import * as notices from "./notices.js";
import { on, state } from "./state.js";
import { inWords } from "./wish.js";
import { WORDS } from "./words.js";

const HTTPS = "https://github.com/nvidia-smi-web/agent/blob/main/docs/authentication.md#tls";

let hosts = () => [];

// Plays the sound within this click: a browser plays none for a page without a user action.
async function arm(watch) {
  awaited.add(watch);
  wake().then(ring); // where there is no loudspeaker this may never come
  await askPermission();
  render();
}

const offers = {
  need: () => arm({ kind: "need", wish: wanted(), hosts: hosts() }),
  critical: () => arm({ kind: "critical", hosts: hosts() }),
  down: () => arm({ kind: "down", hosts: hosts() }),
};

function armProcess({ pid, name, gpus }) {
  const age = state.processes?.find((one) => one.pid === pid)?.running_seconds ?? null;
  arm({ kind: "ends", pid, name, first: { ...sighting(age), gpus }, hosts: hosts() });
}

function line({ id, text, untold }) {
  return element(
    "li",
    { "data-key": id },
    element("span", {}, text),
    untold ? element("span.note", {}, ` ${WORDS.untoldBy(untold)}`) : null,
    " ",
    element("button", { type: "button", "data-stop": id }, WORDS.stop),
  );
}

function about() {
  const told = permission();
  if (told === null) return [WORDS.noNotices, " ", element("a", { href: HTTPS, target: "_blank", rel: "noopener" }, WORDS.https)];
  return [told === "denied" ? WORDS.noticesDenied : told === "granted" ? WORDS.noticesToo : WORDS.noticesAsked];
}

let shown = ""; // what the panel was made of

function render() {
  const all = awaited.list();
  const wish = wanted();
  const basis = JSON.stringify([all.map(({ id, text, untold }) => [id, text, untold]), wish, permission()]);
  if (basis === shown) return;
  shown = basis;
  byId("tell-me").textContent = all.length ? WORDS.awaiting(all.length) : WORDS.tellMe;
  const button = (kind, text) => element("button", { type: "button", "data-kind": kind, disabled: kind === "need" && !wish }, text);
  show(
    byId("tell-offers"),
    button("need", wish ? WORDS.offers.need(inWords(wish)) : WORDS.offers.noNeed),
    button("critical", WORDS.offers.critical),
    button("down", hosts().length > 1 ? WORDS.offers.down : WORDS.offers.thisDown),
  );
  show(byId("tell-list"), ...all.map(line));
  byId("tell-pace").textContent = WORDS.background;
  show(byId("tell-about"), ...about());
}

const toldAt = new Map(); // by host, the look at it that was told last

// Takes each answer that the overview received from a host; null: none.
export function heard(host) {
  if (!host || (toldAt.get(host.url) ?? null) === host.lookedAt) return; // it only became old, or nobody has looked yet
  toldAt.set(host.url, host.lookedAt);
  if (host.error) awaited.hear(host.url, "summary", null, host.error);
  else if (host.summary) awaited.hear(host.url, "summary", host.summary);
}

// The button that opens the panel.
export const button = () => element("button", { id: "tell-me", type: "button", "aria-expanded": "false", "aria-controls": "tell" }, WORDS.tellMe);

function open(isOpen) {
  byId("tell").hidden = !isOpen;
  byId("tell-me").ariaExpanded = `${isOpen}`;
}

// `all()`: the hosts, as in fleet.js.
export function mount(all) {
  hosts = all;
  const panel = element(
    "section", { id: "tell", hidden: true, "aria-label": WORDS.tellMe },
    element("p", { id: "tell-offers" }), element("ul", { id: "tell-list" }),
    element("p.note", { id: "tell-pace" }), element("p.note", { id: "tell-about" }),
  );
  byId("need").append(panel);
  byId("need-line").addEventListener("input", render);
  addEventListener("click", ({ target }) => {
    const { kind, stop, await: watch } = target.closest?.("button")?.dataset ?? {};
    if (target.id === "tell-me") open(byId("tell").hidden);
    else if (kind in offers) offers[kind]();
    else if (stop) awaited.stop(stop);
    else if (watch) armProcess(JSON.parse(watch));
  });
  addEventListener("keydown", ({ key }) => key === "Escape" && open(false));
  // After a reload no sound is made before a click either.
  for (const kind of ["pointerdown", "keydown"]) addEventListener(kind, () => awaited.list().length && wake(), { passive: true });
  on(render);
  notices.mount();
  awaited.begin();
  render();
}
