// What somebody needs of one host: {count, gb, model}, so many GPUs with so much free memory each, of a model whose name
// has this in it. gb null, model "": any will do.
import { known } from "./texts.js";
import { WORDS } from "./words.js";

const WRITTEN = /^(\d{1,3}),(\d{1,6}(?:\.\d{1,3})?)?,(.*)$/;
const MOST = 128; // GPUs that /free takes

// As it stands in the address: "2,40,h100"; null: it is none.
export function wishOf(text) {
  const [, count, gb, model] = WRITTEN.exec(text ?? "") ?? [];
  if (!(count >= 1 && count <= MOST)) return null;
  return { count: Number(count), gb: gb ? Number(gb) : null, model: model.trim() };
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
