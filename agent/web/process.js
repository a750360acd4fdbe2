// One process, unfolded.
// What stands beneath its row; `process` is a row of /processes.
export function unfolded(process, state) {
  return [];
}
