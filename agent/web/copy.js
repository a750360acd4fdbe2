// Copies what a shell or docker needs to use the offered GPUs.
import { byId, element } from "./draw.js";
import { TEXTS, known } from "./texts.js";
import { WORDS } from "./words.js";

const ways = {
  cuda: (ids) => `CUDA_VISIBLE_DEVICES=${ids}`,
  docker: (ids) => `docker run --gpus '"device=${ids}"'`,
};

const ids = (offers) => offers.map(({ uuid, idx }) => uuid ?? idx).join(",");

// The name of a GPU or instance that /free offers.
export const nameOf = ({ idx, mig_index: instance }) =>
  (known(instance) ? WORDS.mig(TEXTS.gpu(idx), instance) : TEXTS.gpu(idx));

// A button for each way to use these GPUs.
export function buttons(offers) {
  return Object.keys(ways).map((way) =>
    element("button.copy", { type: "button", "data-copy": ways[way](ids(offers)), "data-note": WORDS.notReserved }, WORDS.copy[way][0], element("span.long", {}, WORDS.copy[way][1])));
}

// Says "copied" only if it was copied; `note` is added.
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

addEventListener("click", ({ target }) => {
  const button = target.closest?.("button.copy");
  if (button) copy(button.dataset.copy, button.dataset.note);
  else if (!target.closest?.("#copied")) byId("copied").hidden = true; // it has been read
});
