// What somebody needs of one host: {count, gb, model}, so many GPUs with so much free memory each, of a model whose name
// has this in it. gb null, model "": any will do.
import { known } from "./texts.js";
import { WORDS } from "./words.js";

const MOST = { count: 128, gb: 999_999 }; // what /free takes

// null: it is none.
export function wishFrom(count, gb, model) {
  const isOne = Number.isInteger(count) && count >= 1 && count <= MOST.count && (gb === null || (gb >= 0 && gb <= MOST.gb));
  return isOne ? { count, gb: gb && Number(gb.toFixed(3)), model: model.trim() } : null;
}

// As it stands in the address: "2,40,h100"; null: it is none.
export function wishOf(text) {
  const [count, gb, ...model] = (text ?? "").split(",");
  return wishFrom(Number(count), gb ? Number(gb) : null, model.join(","));
}

export const written = ({ count, gb, model }) => `${count},${gb ?? ""},${model}`;

// What a host is asked; it gives nothing away.
export function question({ count, gb, model }) {
  const query = new URLSearchParams({ count });
  if (known(gb)) query.set("min_free_memory", `${gb}GB`);
  if (model) query.set("model", model);
  return `free?${query}`;
}

export const inWords = ({ count, gb, model }) =>
  [WORDS.needed(count), known(gb) && WORDS.withMemory(gb), model].filter(Boolean).join(" ");
