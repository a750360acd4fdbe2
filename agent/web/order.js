// How the rows of a table are sorted.
import { known } from "./texts.js";

// {column, descending} from the address; `otherwise`: the column if the address has none of these.
export function order({ sort }, columns, otherwise) {
  const column = sort?.replace("-", "");
  return Object.hasOwn(columns, column) ? { column, descending: sort.startsWith("-") } : { column: otherwise, descending: false };
}

// Compares rows by the value that `read` returns. Unknown values come last in both directions.
export function comparing(read, descending) {
  return (one, other) => {
    const [left, right] = [read(one), read(other)];
    if (!known(left) || !known(right)) return known(right) - known(left);
    const difference = typeof left === "number" ? left - right : `${left}`.localeCompare(`${right}`);
    return descending ? -difference : difference;
  };
}
