// The layout of the wall: how many hosts fit, with tiles as large as possible.
const GAP = 8; // pixels between two boxes, and around what is in one
const HEAD = 30; // pixels of a box above its tiles
const SMALLEST = 90; // pixels of the width of a tile that can be read from afar
const SHAPE = 1.5; // the width of a tile to its height, as it is best

// The largest tiles of `hosts` boxes with `gpus` tiles each: columns and rows of boxes, tiles across and down in one,
// and the width of a tile in pixels.
function largest(hosts, gpus, width, height) {
  let best = { size: -Infinity };
  for (let columns = 1; columns <= hosts; columns += 1) {
    const rows = Math.ceil(hosts / columns);
    const box = { width: width / columns - 2 * GAP, height: height / rows - 2 * GAP - HEAD };
    for (let across = 1; across <= gpus; across += 1) {
      const size = Math.min(box.width / across, (SHAPE * box.height) / Math.ceil(gpus / across));
      if (size > best.size) best = { columns, rows, across, down: Math.ceil(gpus / across), size };
    }
  }
  return best;
}

// The same on as few pages as possible, and the number of hosts on a page. `hosts`: 1 or more; `gpus`: of the host that
// has most, 1 or more.
export function fit(hosts, gpus, width, height) {
  for (let pages = 1; ; pages += 1) {
    const onPage = Math.ceil(hosts / pages);
    const best = largest(onPage, gpus, width, height);
    if (best.size >= SMALLEST || onPage <= 1) return { ...best, onPage, pages: Math.ceil(hosts / onPage) };
  }
}
