// Checks that an answer has the fields that the page needs: an agent of another version may lack some.
import { OtherVersion } from "./api.js";

// The required fields by part of the answer; "[]" means each entry of a list.
export const EVENT = {
  "": ["timestamp", "system_info", "health", "gpus"],
  "system_info": ["cpu", "memory"],
  "health": ["verdict", "reasons"],
  "gpus[]": ["id", "state", "health", "memory", "utilization", "power", "clocks", "pcie", "throttling"],
  "gpus[].health": ["verdict", "reasons"],
};
// Of another host, which may have an older version without verdicts.
export const GPUS = { "": ["gpus"], "gpus[]": EVENT["gpus[]"], "gpus[].health": EVENT["gpus[].health"] };
export const PROCESSES = { "": ["processes", "unknown_idx"], "processes[]": ["idx", "pid"] };
export const FREE = { "": ["gpus"], "gpus[]": ["idx"] };
export const SUMMARY = {
  "": ["host", "gpus", "users"],
  "host": ["verdict", "reason"],
  "gpus[]": ["idx", "state", "verdict", "free", "users"],
};

function parts(whole, path) {
  let found = [whole];
  for (const name of path.split(".").filter(Boolean)) {
    const field = name.replace("[]", "");
    found = found.flatMap((one) => (name.endsWith("[]") ? one[field] : [one[field]]));
  }
  return found;
}

// The answer; throws if a field is missing.
export function checked(answer, shape) {
  for (const [path, fields] of Object.entries(shape)) {
    for (const part of parts(answer, path)) {
      for (const field of fields) {
        if (part?.[field] === undefined) throw new OtherVersion([path, field].filter(Boolean).join("."));
      }
    }
  }
  return answer;
}
