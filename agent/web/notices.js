// Gives notice when a wait comes true: a banner that stays until it is seen, title and icon, a sound, a system
// notification.
import { notify, ring } from "./alarm.js";
import { kept, tab } from "./api.js";
import { element, show } from "./draw.js";
import { changed, state } from "./state.js";
import { WORDS } from "./words.js";

const KEY = "agent-notices";
export const GATHER = 10_000; // milliseconds in which all that comes is one notice

let notices = kept(tab, KEY).filter((one) => Array.isArray(one?.lines)); // {when, lines}: the time of day in words, and what came
let begunAt = -Infinity; // when the last of them began, by performance.now()
let place = null;

function drawn({ when, lines }) {
  return element(
    "li",
    {},
    element("b", {}, when),
    element("ul", {}, lines.map((text) => element("li", {}, text))),
    element("button", { type: "button" }, WORDS.seen),
  );
}

function render() {
  tab?.setItem(KEY, JSON.stringify(notices));
  state.notices = notices.length;
  place.hidden = !notices.length;
  show(place, ...notices.map(drawn));
  changed();
}

export function give(text) {
  const now = performance.now();
  const isOne = notices.length > 0 && now - begunAt < GATHER;
  if (!isOne) {
    begunAt = now;
    notices.push({ when: new Date().toLocaleTimeString(), lines: [] });
    ring();
  }
  notices.at(-1).lines.push(text);
  notify(notices.at(-1).lines.join("\n"));
  render();
}

export function mount() {
  place = element("ul");
  const banner = element("section", { id: "notices", role: "alert" }, place);
  place.addEventListener("click", ({ target }) => {
    if (!target.closest("button")) return;
    notices.splice([...place.children].indexOf(target.closest("#notices > ul > li")), 1);
    begunAt = -Infinity; // what is seen grows no more
    render();
  });
  document.body.append(banner);
  render();
}
