// Muted findings: in this browser the line is moved aside until it changes.
import { browser, kept } from "./api.js";
import { element } from "./draw.js";
import { TEXTS } from "./texts.js";

const KEY = "agent-muted";
// A new duration or temperature is not a change.
const MOVES = /\d+(?= (?:s|minutes|degrees)\b)/g;

const stored = () => kept(browser, KEY).filter((mark) => typeof mark === "string");
let muted = stored();
let isOpen = false; // whether what is put aside is shown

function keep(marks) {
  if (marks.length === muted.length) return;
  muted = marks;
  browser?.setItem(KEY, JSON.stringify(muted));
}

// The mark by which a line is recognised. `url`: the path of its host.
export const marked = (url, verdict, whom, why) => [url, verdict, whom, why.replace(MOVES, "#")].join(" ");

export const isMuted = ({ mark }) => muted.includes(mark);

const button = (mark, text) => element("button.mute", { type: "button", "data-mute": mark }, text);

// The lines of `all`, each with its `mark`: first those that are not muted. `draw(one, more)` makes a line with `more`
// at its end; `isTold(url)`: whether all findings of this host are among them, so that a missing one has ended.
export function lines(all, draw, isTold) {
  const present = new Set(all.map(({ mark }) => mark));
  keep(muted.filter((mark) => present.has(mark) || !isTold(mark.split(" ", 1)[0])));
  const aside = all.filter(isMuted);
  const loud = all.filter((one) => !isMuted(one));
  const drawn = loud.map((one) => draw(one, button(one.mark, TEXTS.mute)));
  if (!aside.length) return drawn;
  const fold = element("button", { type: "button", "data-fold": true, "aria-expanded": `${isOpen}` }, TEXTS.mutedLines(aside.length));
  return [
    ...drawn,
    element("li.note", { "data-key": "muted" }, fold),
    ...(isOpen ? aside.map((one) => draw(one, button(one.mark, TEXTS.unmute))) : []),
  ];
}

// `changed` is called when a line is muted or unmuted.
export function prepare(changed) {
  addEventListener("click", ({ target }) => {
    const { mute: mark, fold } = target.closest?.("button")?.dataset ?? {};
    if (fold !== undefined) isOpen = !isOpen;
    else if (mark) keep(muted.includes(mark) ? muted.filter((one) => one !== mark) : [...muted, mark]);
    else return;
    changed();
  });
  addEventListener("storage", ({ key }) => { // another tab did
    if (key !== KEY) return;
    muted = stored();
    changed();
  });
}
