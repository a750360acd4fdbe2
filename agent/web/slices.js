// The instances of a GPU in MIG mode, each with what it uses of its memory.
import { element } from "./draw.js";
import { TEXTS, known, memory, number } from "./texts.js";

// A strip of them; null: the GPU is not in MIG mode.
export function slices(instances) {
  if (!instances) return null;
  if (!instances.length) return element("p.slices.note", {}, TEXTS.noInstance);
  return element("ul.slices", { "aria-label": TEXTS.instances }, instances.map(slice));
}

function slice({ index, profile, total_mb: total, used_mb: used, processes }) {
  const share = known(used) && total ? used / total : null;
  const busy = known(processes) ? TEXTS.processesOf(number(processes)) : TEXTS.processesNotKnown;
  return element(
    "li",
    { title: `${TEXTS.instance(index, profile)}, ${TEXTS.part(memory(used, total), memory(total))}, ${busy}` },
    element("span", {}, profile ?? `${index}`),
    known(share) ? element("progress", { max: 1, value: share.toFixed(3), "aria-hidden": "true" }) : null,
  );
}
