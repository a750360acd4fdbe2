// Always in sight: whose values these are, how old, and what counts; the same in the title and the icon.
import { byId, element, show } from "./draw.js";
import { age, isLive } from "./state.js";
import { TEXTS, known, number } from "./texts.js";

export function render(state) {
  const { phase, event } = state;
  const old = Boolean(event) && !isLive();
  document.body.classList.toggle("old", old);
  const seconds = state.retryAt === null ? null : Math.ceil(Math.max(0, state.retryAt - state.now) / 1000);
  say(byId("connection"), { ...TEXTS.phases, lost: TEXTS.lostConnection(seconds) }[phase]);
  byId("connection").className = phase;
  byId("again").hidden = phase !== "lost";
  byId("age").textContent = event ? TEXTS.age(Math.round(age() / 1000)) : "";
  say(byId("problem"), state.problem ?? "");
  byId("problem").hidden = !state.problem;
}

// Screen readers say a status again when it changes.
function say(place, text) {
  if (place.textContent !== text) place.textContent = text;
}
