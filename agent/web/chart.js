// A line over time as SVG; a gap in what is known is a gap in the line.
import { known } from "./format.js";

const SVG = "http://www.w3.org/2000/svg";

export function chart(title, height) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", `0 0 200 ${height}`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", title);
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("vector-effect", "non-scaling-stroke");
  svg.append(path);
  return svg;
}

const SHORTEST = 60_000; // milliseconds: a young history fills the width, a newborn one does not

// `points`: [milliseconds, value or null], the oldest first.
export function draw(svg, points, top) {
  const height = svg.viewBox.baseVal.height;
  const end = points.length ? points[points.length - 1][0] : 0;
  const span = points.length ? Math.max(SHORTEST, end - points[0][0]) : SHORTEST;
  let line = "";
  let pen = "M";
  for (const [at, value] of points) {
    if (!known(value)) {
      pen = "M";
      continue;
    }
    const x = 200 * (1 - (end - at) / span);
    const y = height - 1 - (height - 2) * Math.min(1, value / (top || 1));
    line += `${pen}${x.toFixed(1)} ${y.toFixed(1)}`;
    pen = "L";
  }
  svg.firstChild.setAttribute("d", line || "M0 0");
}
