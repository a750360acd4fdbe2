// How the rows of a table are sorted.
import { known } from "./texts.js";

// {column, descending} as the address says it; `otherwise`: the column where it says none of these.
export function order({ sort }, columns, otherwise) {
  const column = sort?.replace("-", "");
  return column in columns ? { column, descending: sort.startsWith("-") } : { column: otherwise, descending: false };
}

// By what `read` finds in a row. What is unknown comes last, whichever way.
export function comparing(read, descending) {
  return (one, other) => {
    const [left, right] = [read(one), read(other)];
    if (!known(left) || !known(right)) return known(right) - known(left);
    const difference = typeof left === "number" ? left - right : `${left}`.localeCompare(`${right}`);
    return descending ? -difference : difference;
  };
}
