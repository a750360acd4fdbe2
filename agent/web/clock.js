// Time: detects a clock that is set, and a computer that has slept.
const SKIP = 5000; // milliseconds that the two clocks of a browser may part without anything having happened

const difference = () => Date.now() - performance.now(); // of the one that can be set, and the one that stands in a sleep
let offset = difference();
let total = 0;

// Milliseconds by which the two clocks have diverged so far: if it grows, older values are no longer current.
export function skipped() {
  const before = offset;
  offset = difference();
  const apart = Math.abs(offset - before);
  if (apart > SKIP) total += apart;
  return total;
}

// Milliseconds since the page began.
export const now = () => performance.now() + skipped();
