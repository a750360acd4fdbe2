// The wall: all hosts on a screen without input, with large counts, what is wrong, and every GPU as a tile that is as
// large as the screen allows. If tiles would be too small, several pages alternate.
import { element, show, styled, byId } from "./draw.js";
import { fit } from "./fit.js";
import { age, fleet, isDown, isLive } from "./fleet.js";
import { tile } from "./gpus.js";
import { state } from "./state.js";
import { gpuShown } from "./summary.js";
import { TEXTS, known } from "./texts.js";

await styled("wall.css");

const TURN = 15_000; // milliseconds that a page stands

let page = 0;
let turnedAt = performance.now();

function box(host) {
  const isNow = isLive(host);
  const seconds = known(host.heardAt) ? Math.round(age(host) / 1000) : null;
  const gpus = host.summary?.gpus ?? [];
  const note = host.fault ? TEXTS.down(host.fault) : isNow ? "" : host.summary ? TEXTS.age(seconds) : TEXTS.phases.connecting;
  const tiles = gpus.map((gpu) => tile(gpuShown(gpu, host, isNow ? null : seconds), { tabindex: "-1" }));
  const state = `${isDown(host) ? " down" : ""}${isNow ? "" : " old"}${host.isRefused ? " refused" : ""}`;
  return element(
    "li",
    { class: `box${state}`, "data-key": host.name },
    element("h3", {}, host.name, " ", element("span.note", {}, note)),
    element("ul.tiles", { "aria-label": TEXTS.gpusOf(host.name) }, tiles),
  );
}

// The size is set by script, because the CSP permits no inline styles.
function laidOut(place) {
  const gpus = Math.max(1, ...fleet.hosts.map(({ summary }) => summary?.gpus.length ?? 0));
  const found = fit(fleet.hosts.length, gpus, place.clientWidth, place.clientHeight);
  for (const name of ["columns", "rows", "across", "down"]) place.style.setProperty(`--${name}`, found[name]);
  return found;
}

export function render(place) {
  const { onPage, pages } = laidOut(place);
  if (performance.now() - turnedAt > TURN) {
    turnedAt = performance.now();
    page += 1;
  }
  page %= pages;
  const list = place.firstChild ?? place.appendChild(element("ul.wall"));
  show(list, ...fleet.hosts.slice(page * onPage, (page + 1) * onPage).map(box));
  head(pages);
}

// The time of day, the age of the oldest current value, and the page number.
function head(pages) {
  const ages = fleet.hosts.filter(isLive).map(age);
  const parts = [
    ages.length ? TEXTS.oldest(Math.round(Math.max(...ages) / 1000)) : "",
    pages > 1 ? TEXTS.page(page + 1, pages) : "",
  ];
  byId("age").textContent = parts.filter(Boolean).join(" · ");
  byId("age").hidden = state.phase !== "fleet"; // the bar hides what is empty, and with an error the page hides all
  byId("host").textContent = new Date().toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
}

// Draws everything once a second, when ages change.
export const renderHost = () => {};
export const renderAges = render;

// Keeps the screen on if the browser can: only over HTTPS.
async function awake() {
  await navigator.wakeLock?.request("screen").catch(() => null);
}

export function begin() {
  awake();
  document.addEventListener("visibilitychange", () => document.hidden || awake());
}
