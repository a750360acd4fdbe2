// The wish of the need line: {count, gb, model}, the number of GPUs on one host, the free memory of each, and a part of
// the model's name. gb null, model "": any.
import { known } from "./texts.js";
import { WORDS } from "./words.js";

const MOST = { count: 128, gb: 999_999 }; // what /free takes

// null: it is none.
export function wishFrom(count, gb, model) {
  const isOne = Number.isInteger(count) && count >= 1 && count <= MOST.count && (gb === null || (gb >= 0 && gb <= MOST.gb));
  return isOne ? { count, gb: gb && Number(gb.toFixed(3)), model: model.trim() } : null;
}

// The wish from the address: "2,40,h100"; null: it is not a valid wish.
export function wishOf(text) {
  const [count, gb, ...model] = (text ?? "").split(",");
  return wishFrom(Number(count), gb ? Number(gb) : null, model.join(","));
}

export const written = ({ count, gb, model }) => `${count},${gb ?? ""},${model}`;

// The request to a host; it reserves nothing.
export function question({ count, gb, model }) {
  const query = new URLSearchParams({ count });
  if (known(gb)) query.set("min_free_memory", `${gb}GB`);
  if (model) query.set("model", model);
  return `free?${query}`;
}

export const inWords = ({ count, gb, model }) =>
  [WORDS.needed(count), known(gb) && WORDS.withMemory(gb), model].filter(Boolean).join(" ");
