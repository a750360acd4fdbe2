// One GPU: its findings, charts and facts.
import { element, show } from "./draw.js";
import { TEXTS } from "./texts.js";

// Asks what the view needs; called when it opens and with each event of the stream, one at a time.
export async function load(state, signal) {}

export function render(place, state) {
  show(place, element("h2", {}, TEXTS.gpu(state.view.index)));
}
