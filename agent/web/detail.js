// Everything that is known of one GPU, with charts over the whole history.
import { get } from "./api.js";
import { element } from "./cards.js";
import { MEASURES, chart, draw, points } from "./chart.js";
import { TEXTS, UNKNOWN, known, label } from "./texts.js";

const SPAN = 3600_000;

function list(values) {
  const made = element("dl", "facts");
  for (const [name, value] of Object.entries(values)) {
    made.append(element("dt", "", label(name)));
    const shown = element("dd");
    if (Array.isArray(value) && value.some((one) => typeof one === "object")) shown.append(table(value));
    else if (known(value) && typeof value === "object" && !Array.isArray(value)) shown.append(list(value));
    else shown.textContent = known(value) && `${value}` !== "" ? `${value}` : UNKNOWN;
    made.append(shown);
  }
  return made;
}

function table(rows) {
  const made = element("table");
  const names = Object.keys(rows[0]);
  const head = made.createTHead().insertRow();
  for (const name of names) {
    const cell = element("th", "", label(name));
    cell.scope = "col";
    head.append(cell);
  }
  const body = made.createTBody();
  for (const row of rows) {
    const line = body.insertRow();
    for (const name of names) {
      const value = row[name];
      line.insertCell().textContent = known(value) ? (typeof value === "object" ? JSON.stringify(value) : `${value}`) : UNKNOWN;
    }
  }
  return made;
}

export async function show(dialog, index) {
  const title = dialog.querySelector("h2");
  const body = dialog.querySelector("#detail-body");
  title.textContent = TEXTS.gpu(index);
  body.replaceChildren();
  dialog.showModal();
  try {
    const answer = await get(`gpu?detail=1&idx=${index}`);
    const [gpu] = answer.gpus;
    title.textContent = `${TEXTS.gpu(index)}  ${gpu.name ?? UNKNOWN}`;
    const tops = [100, gpu.memory.total_mb, 100, gpu.power.limit_watts];
    MEASURES.forEach((measure, number) => {
      const svg = chart(TEXTS.measures[measure], 60);
      svg.classList.add("large");
      const rows = points(gpu.uuid, number, SPAN);
      const minutes = rows.length ? Math.ceil((rows[rows.length - 1][0] - rows[0][0]) / 60_000) : 0;
      draw(svg, rows, tops[number]);
      body.append(element("h3", "", `${TEXTS.measures[measure]}, ${TEXTS.lastMinutes(Math.max(1, minutes))}`), svg);
    });
    const { detail, debug_info: _debug, top_processes: _top, ...plain } = gpu;
    body.append(list({ uuid: plain.uuid, timestamp: plain.timestamp, ...detail }));
  } catch (error) {
    body.append(element("p", "reason", error.message));
  }
}
