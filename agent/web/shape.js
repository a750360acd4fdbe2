// Whether an answer has what the page shows of it: one of another version may not.

// A part, and what it must have; "[]" is each one of a list.
const EVENT = {
  "": ["timestamp", "system_info", "health", "gpus"],
  "system_info": ["cpu", "memory"],
  "health": ["verdict", "reasons"],
  "gpus[]": ["id", "state", "health", "memory", "utilization", "power", "clocks", "pcie", "throttling"],
  "gpus[].health": ["verdict", "reasons"],
};

// The agent answered, and not as this page understands it.
export class OtherVersion extends Error {}

function parts(whole, path) {
  let found = [whole];
  for (const name of path.split(".").filter(Boolean)) {
    const field = name.replace("[]", "");
    found = found.flatMap((one) => (name.endsWith("[]") ? one[field] : [one[field]]));
  }
  return found;
}

// Throws where an event of the stream lacks something.
export function check(event) {
  for (const [path, fields] of Object.entries(EVENT)) {
    for (const part of parts(event, path)) {
      for (const field of fields) {
        if (part?.[field] === undefined) throw new OtherVersion([path, field].filter(Boolean).join("."));
      }
    }
  }
}
