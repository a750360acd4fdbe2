// The free GPUs, and the text for a shell or docker to copy.
import { to } from "./address.js";
import { buttons, nameOf } from "./copy.js";
import { byId, element, show } from "./draw.js";
import { notKnownFree, offersNow } from "./model.js";
import { TEXTS, UNKNOWN } from "./texts.js";
import { WORDS } from "./words.js";

const MOST = 16; // that are named, and that are taken at once

let count = 1; // how many are to be taken

function chips(offers) {
  const named = offers.slice(0, MOST).map((offer) =>
    element("a.badge.free", { href: to({}, `#gpu${offer.idx}`) }, nameOf(offer)));
  const others = offers.length - named.length;
  return others > 0 ? [...named, element("a", { href: to({ only: "free" }, "") }, WORDS.others(others))] : named;
}

// The number of suitable GPUs that waiting requests hold; older agents do not report it.
const withheld = ({ offers }) => (offers.withheld ? element("span.note", {}, ` ${TEXTS.withheld(offers.withheld)}`) : "");

function none(state) {
  const unknown = notKnownFree(state);
  return unknown.length ? TEXTS.noneKnownFree(unknown.join(", ")) : TEXTS.noneFree;
}

export function render(state) {
  const place = byId("offer");
  const offers = offersNow(state);
  if (!offers) return show(place, element("strong", {}, TEXTS.freeNow), UNKNOWN);
  if (!offers.length) return show(place, none(state), withheld(state));
  count = Math.min(count, offers.length);
  const option = (_, place) => element("option", { value: place + 1, selected: place + 1 === count }, `${place + 1}`);
  // The agent lists the best first.
  const howMany = element("select", { id: "how-many" }, Array.from({ length: Math.min(MOST, offers.length) }, option));
  const sorted = [...offers].sort((one, other) => one.idx - other.idx || one.mig_index - other.mig_index);
  show(
    place,
    element("strong", {}, TEXTS.freeNow),
    element("span.chips", {}, chips(sorted)),
    element("span.take", {}, element("label", {}, `${WORDS.take} `, howMany), buttons(offers.slice(0, count))),
    withheld(state),
  );
}

export function prepare(changed) {
  byId("offer").addEventListener("change", ({ target }) => {
    count = Number(target.value);
    changed();
  });
}
