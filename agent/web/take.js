// Which GPUs can be taken, and how: what a shell or docker needs, to copy.
import { to } from "./address.js";
import { byId, element, show } from "./draw.js";
import { notKnownFree, offersNow } from "./model.js";
import { TEXTS, UNKNOWN, known } from "./texts.js";
import { WORDS } from "./words.js";

const MOST = 16; // that are named, and that are taken at once
const ways = {
  cuda: (ids) => `CUDA_VISIBLE_DEVICES=${ids}`,
  docker: (ids) => `docker run --gpus '"device=${ids}"'`,
};

let count = 1; // how many are to be taken

const ids = (offers) => offers.map(({ uuid, idx }) => uuid ?? idx).join(",");

const name = ({ idx, mig_index: instance }) => (known(instance) ? WORDS.mig(TEXTS.gpu(idx), instance) : TEXTS.gpu(idx));

// A button for each way to take these.
export function buttons(offers) {
  return Object.keys(ways).map((way) =>
    element("button.copy", { type: "button", "data-copy": ways[way](ids(offers)), "data-note": WORDS.notReserved }, WORDS.copy[way][0], element("span.long", {}, WORDS.copy[way][1])));
}

function chips(offers) {
  const named = offers.slice(0, MOST).map((offer) =>
    element("a.badge.free", { href: to({}, `#gpu${offer.idx}`) }, name(offer)));
  const others = offers.length - named.length;
  return others > 0 ? [...named, element("a", { href: to({ only: "free" }, "") }, WORDS.others(others))] : named;
}

// What would be free, but for those who wait; older agents do not tell it.
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
  // The agent names the best first.
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

// Says "copied" only where it was; `note` is said beside it.
async function copy(text, note = "") {
  const [field, said] = byId("copied").children;
  byId("copied").hidden = false; // what is hidden cannot be selected
  field.value = text;
  let isCopied = false;
  try {
    await navigator.clipboard.writeText(text); // over plain HTTP there is no clipboard
    isCopied = true;
  } catch {
    field.focus();
    field.select();
    isCopied = document.activeElement === field && document.execCommand("copy");
  }
  said.textContent = `${isCopied ? WORDS.copied : WORDS.selected} ${note}`.trim();
}

export function prepare(changed) {
  addEventListener("click", ({ target }) => {
    const button = target.closest?.("button.copy");
    if (button) copy(button.dataset.copy, button.dataset.note);
    else if (!target.closest?.("#copied")) byId("copied").hidden = true; // it has been read
  });
  byId("offer").addEventListener("change", ({ target }) => {
    count = Number(target.value);
    changed();
  });
}
