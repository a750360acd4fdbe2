// A row for each host: its name, its models, its GPUs as tiles, which are free, who uses them, the age of the values.
import { element, show, update } from "./draw.js";
import { age, fleet, isDown, isLive } from "./fleet.js";
import { hostFits, gpuFits } from "./filter.js";
import { tile } from "./gpus.js";
import { gpuShown } from "./summary.js";
import { state } from "./state.js";
import { TEXTS, UNKNOWN, known } from "./texts.js";

const FEW = 16; // GPUs that stand in one line

const seconds = (milliseconds) => (known(milliseconds) ? Math.round(milliseconds / 1000) : null);

// "8 × H100 80GB HBM3"; of several models each name.
function models(gpus) {
  return `${gpus.length} × ${[...new Set(gpus.map(({ product }) => product))].join(", ")}`;
}

function note(host, gpus) {
  if (host.fault) return TEXTS.down(host.fault);
  if (!host.summary) return TEXTS.phases.connecting;
  return gpus.length ? models(gpus) : TEXTS.noGpus;
}

// The users of the GPUs of a host; "…": there may be more.
function users(gpus) {
  const told = gpus.filter((gpu) => gpu.users);
  const names = new Set(told.flatMap((gpu) => gpu.users));
  if (told.length < gpus.length || names.delete(UNKNOWN)) names.add("…");
  return [...names].join(", ");
}

function free(host) {
  const told = host.summary.gpus.map((gpu) => gpu.free);
  return told.some(known) ? `${told.filter(Boolean).length}` : UNKNOWN;
}

function row(host) {
  const isNow = isLive(host);
  const { view } = state;
  const told = host.summary?.gpus ?? [];
  const gpus = told.map((gpu) => gpuShown(gpu, host, isNow ? null : seconds(age(host))));
  const isFiltered = view.only || view.user || view.model;
  const tiles = gpus.map((model, place) => {
    const title = [model.spoken, model.product, told[place].reason, model.users?.join(", ")].filter(Boolean).join("\n");
    const made = tile(model, { tabindex: "-1", title }); // with the keyboard one goes by the host, or the table
    if (isFiltered && isNow && !gpuFits(told[place], host, view)) made.classList.add("other");
    return made;
  });
  const what = note(host, gpus);
  const whose = isNow ? users(gpus) : "";
  return element(
    "li",
    { class: `host${isDown(host) ? " down" : ""}${isNow ? "" : " old"}`, "data-key": host.name },
    element("h3", { title: host.name }, element("a", { href: `${host.url}?host` }, host.name)),
    element("p.note", { title: what }, what),
    element("ul", { class: `tiles${tiles.length > FEW ? " many" : ""}`, "aria-label": TEXTS.gpusOf(host.name) }, tiles),
    element("span.host-free", {}, element("b", {}, isNow ? free(host) : UNKNOWN), ` ${TEXTS.free}`),
    element("span.host-users", { title: whose }, whose),
    element("span.host-age", {}, known(host.heardAt) ? TEXTS.age(seconds(age(host))) : ""),
  );
}

// All hosts; a host stays visible if it is unknown whether it matches.
export function render(place) {
  const fitting = fleet.hosts.filter((host) => hostFits(host, state.view) !== false);
  show(place.firstChild ?? place.appendChild(element("ul.hosts")), ...fitting.map(row));
}

// Draws one host that changed: drawing all would take longer than a frame.
export function renderHost(place, host) {
  const had = [...place.firstChild.children].find((one) => one.dataset.key === host.name);
  const isShown = hostFits(host, state.view) !== false;
  if (Boolean(had) !== isShown) render(place);
  else if (had) update(had, row(host));
}

// Updates only the ages, except for hosts with old values, whose tiles show the age.
export function renderAges(place) {
  for (const host of fleet.hosts) if (host.summary && !isLive(host)) renderHost(place, host);
  for (const one of place.firstChild.children) {
    const host = fleet.hosts.find(({ name }) => name === one.dataset.key);
    if (known(host.heardAt)) one.querySelector(".host-age").firstChild.data = TEXTS.age(seconds(age(host)));
  }
}
