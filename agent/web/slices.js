// The MIG instances of a GPU, each with its memory in use.
import { element } from "./draw.js";
import { TEXTS, known, memory, number } from "./texts.js";

// The strip of instances; `free`: the indices of the free ones. A GPU that is not in MIG mode has none.
export function slices(instances, free = []) {
  if (instances === undefined) return null;
  if (!instances?.length) return element("p.slices.note", {}, instances ? TEXTS.noInstance : TEXTS.instancesNotKnown);
  return element("ul.slices", { "aria-label": TEXTS.instances }, instances.map((one) => slice(one, free)));
}

function slice({ index, profile, total_mb: total, used_mb: used, processes }, free) {
  const share = known(used) && total ? used / total : null;
  const isFree = free.includes(index);
  const busy = known(processes) ? TEXTS.processesOf(number(processes)) : TEXTS.processesNotKnown;
  const words = [TEXTS.instance(index, profile), TEXTS.part(memory(used, total), memory(total)), busy, isFree && TEXTS.free];
  const all = words.filter(Boolean).join(", ");
  return element(
    "li",
    { title: all, class: isFree && "free" },
    element("span", { role: "img", "aria-label": all }, profile ?? `${index}`, isFree ? ` ${TEXTS.free}` : ""),
    known(share) ? element("progress", { max: 1, value: share.toFixed(3), "aria-hidden": "true" }) : null,
  );
}
