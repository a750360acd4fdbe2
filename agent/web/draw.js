// Drawing: makes elements whose texts are never parsed as HTML, updates parts of the page, draws lines.
import { TEXTS, UNKNOWN, known } from "./texts.js";

const SVG = "http://www.w3.org/2000/svg";
const DRAWN = new Set(["svg", "path", "line", "text", "circle", "g"]);

export const byId = (id) => document.getElementById(id);

// `name`: a tag and its classes, as in "span.value".
// Left out: attributes that are null or false, children that are null or "".
export function element(name, attributes = {}, ...children) {
  const [tag, ...classes] = name.split(".");
  const made = DRAWN.has(tag) ? document.createElementNS(SVG, tag) : document.createElement(tag);
  if (classes.length) made.setAttribute("class", classes.join(" "));
  for (const [key, value] of Object.entries(attributes)) {
    if (known(value) && value !== false) made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.flat(2).filter((child) => known(child) && child !== ""));
  return made;
}

// Makes the children of `parent` equal to `wanted` and changes only what differs, so that focus and selection stay.
// Elements with `data-key` are matched by it: a row never becomes its neighbour.
export function show(parent, ...wanted) {
  const nodes = wanted.map((one) => (typeof one === "string" ? new Text(one) : one));
  if (nodes[0]?.dataset?.key || parent.firstElementChild?.dataset?.key) return showKeyed(parent, nodes);
  const had = [...parent.childNodes];
  nodes.forEach((node, place) => (place < had.length ? update(had[place], node) : parent.append(node)));
  for (const node of had.slice(nodes.length)) node.remove();
}

function showKeyed(parent, nodes) {
  const keys = new Set(nodes.map((node) => node.dataset?.key));
  const had = new Map();
  for (const node of [...parent.childNodes]) {
    const key = node.dataset?.key;
    if (key === undefined || !keys.has(key) || had.has(key)) node.remove();
    else had.set(key, node);
  }
  let next = parent.firstChild; // what stands where the next one belongs
  for (const node of nodes) {
    const mine = had.get(node.dataset.key);
    if (mine?.nodeName === node.nodeName) {
      if (mine === next) next = next.nextSibling;
      else move(parent, mine, next);
      update(mine, node);
    } else {
      if (mine && mine === next) next = next.nextSibling;
      mine?.remove();
      parent.insertBefore(node, next);
    }
  }
}

// Moves an element without losing its focus, if the browser can.
function move(parent, node, next) {
  if (parent.moveBefore) parent.moveBefore(node, next);
  else parent.insertBefore(node, next);
}

// The same for one node.
export function update(had, wanted) {
  if (had.isEqualNode(wanted)) return;
  if (had.nodeName !== wanted.nodeName) {
    had.replaceWith(wanted);
  } else if (had.nodeType === Node.TEXT_NODE) {
    had.data = wanted.data;
  } else {
    for (const name of had.getAttributeNames()) {
      if (!wanted.hasAttribute(name)) had.removeAttribute(name);
    }
    for (const { name, value } of wanted.attributes) {
      if (had.getAttribute(name) !== value) had.setAttribute(name, value);
    }
    show(had, ...wanted.childNodes);
  }
}

// Values by the names of their texts, as pairs.
export const named = (texts, values) => Object.entries(values).map(([name, value]) => [texts[name], value]);

// Names and values, for a <dl>.
export function facts(pairs) {
  return pairs.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value)));
}

export function headings(columns) {
  return columns.map((name) => element("th", { scope: "col" }, name));
}

// A value as text. A value that the driver failed to report is "ERR", with the reason for pointer, keyboard and screen
// reader.
export function told(text, why) {
  if (text !== UNKNOWN || !known(why)) return text;
  return element("span.err", { tabindex: "0" }, TEXTS.error, element("span.why", {}, ` ${why}`));
}

const WIDTH = 240; // of the drawing's own units: it is stretched to its place
const SHORTEST = 60_000; // milliseconds: a young history fills the width, a newborn one does not

// The time span of a line of these rows, in milliseconds.
export function period(rows) {
  const end = rows.length ? rows[rows.length - 1][0] : 0;
  const span = Math.max(SHORTEST, rows.length ? end - rows[0][0] : 0);
  return { begin: end - span, span };
}

// A line with the area below it. `rows`: [milliseconds, values], the oldest first; `place` says which value is drawn;
// `top` is null if there is no limit. A gap in the values is a gap in the line.
export function line(rows, place, top, height, { begin, span } = period(rows)) {
  const highest = top ?? Math.max(1, ...rows.map(([, values]) => values[place]));
  let stroke = ""; // two paths: the line, and the area below it
  let area = "";
  let last = null; // x of the point before; null: none, or a gap
  const close = () => {
    if (last !== null) area += `V${height}Z`;
    last = null;
  };
  for (const [at, values] of rows) {
    const value = values[place];
    if (!known(value)) {
      close();
      continue;
    }
    const x = (WIDTH * ((at - begin) / span)).toFixed(1);
    const share = Math.min(1, Math.max(0, value / highest)); // power may exceed its limit for a moment
    const y = (height - 1 - (height - 2) * share).toFixed(1); // room for half of the line's width, above and below
    stroke += last === null ? `M${x} ${y}h.1` : `L${x} ${y}`; // a single moment is a dot
    area += last === null ? `M${x} ${height}V${y}` : `L${x} ${y}`;
    last = x;
  }
  close();
  return element(
    "svg",
    { viewBox: `0 0 ${WIDTH} ${height}`, preserveAspectRatio: "none", "aria-hidden": "true" },
    element("path.area", { d: area }),
    element("path.stroke", { d: stroke, "vector-effect": "non-scaling-stroke" }),
  );
}

// Loads the style sheet of a view.
export function styled(name) {
  const link = element("link", { rel: "stylesheet", href: new URL(name, import.meta.url) });
  return new Promise((resolve) => {
    link.onload = link.onerror = resolve;
    document.head.append(link);
  });
}
