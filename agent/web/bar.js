// The bar, always visible: the age of the values, the host, and the counts. The title and the icon show the same.
import { to } from "./address.js";
import { byId, element, facts, named, show } from "./draw.js";
import { isTrouble, judged, notKnownFree, offersNow, product } from "./model.js";
import { age, isLive, state } from "./state.js";
import { TEXTS, UNKNOWN, known, memory, number } from "./texts.js";

// Screen readers repeat a status when it changes, so the age and the countdown are outside it.
function put(place, text) {
  place.hidden = !text;
  if (place.textContent !== text) place.textContent = text;
}

export function render(isFleet) {
  const { phase, event } = state;
  const host = isFleet ? TEXTS.overview : event?.system_info.hostname ?? TEXTS.gpus;
  // On paper. The address tells which hosts "all hosts" are, and has the filters.
  byId("printed").textContent = [host, isFleet && location.href, new Date().toLocaleString()].filter(Boolean).join(", ");
  if (phase !== "fleet") {
    put(byId("connection"), TEXTS.phases[phase]);
    byId("connection").className = phase;
  }
  const isTrying = phase === "lost" && state.retryAt === null && !isFleet;
  const pause = state.retryAt === null ? "" : TEXTS.nextTry(seconds(state.retryAt - state.now));
  put(byId("countdown"), isTrying ? TEXTS.trying : pause);
  byId("again").hidden = phase !== "lost";
  byId("again").disabled = isTrying;
  put(byId("problem"), state.problem ?? "");
  if (isFleet) {
    if (phase !== "fleet") {
      put(byId("age"), "");
      entitle(TEXTS.titleUnknown(host));
      icon("unknown");
    }
    return;
  }
  document.body.classList.toggle("old", Boolean(event) && !isLive());
  put(byId("age"), event ? TEXTS.age(Math.floor(age() / 1000)) : "");
  byId("simulated").hidden = !event?.simulated;
  byId("counts").hidden = !event;
  const health = isLive() ? event.health : null;
  byId("host-health").className = `badge ${health?.verdict ?? "unknown"}`;
  put(byId("host-health"), health && health.verdict !== "healthy" ? judged(health) : "");
  show(byId("counts"), ...(event ? counts(state.view, counted(state)) : []));
  show(byId("host-line"), ...(event ? facts(hostLine(event)) : []));
  byId("host").textContent = host;
  entitle(isLive() ? title(event, host) : TEXTS.titleUnknown(host, TEXTS.titlePhases[phase]));
  icon(isLive() ? worst([event, ...event.gpus]) : "unknown");
}

const seconds = (milliseconds) => Math.ceil(Math.max(0, milliseconds) / 1000);

function title({ gpus }, host) {
  const load = (gpu) => gpu?.utilization.gpu_percent ?? -1;
  const busiest = gpus.reduce((most, gpu) => (load(gpu) > load(most) ? gpu : most), null);
  if (load(busiest) < 0) return TEXTS.titleUnknown(host);
  return TEXTS.title(number(load(busiest), " %"), busiest.id, host);
}

// The same for all hosts: how many report their state, and the worst trouble; `isWell`: it is known that there is none.
export function fleet({ live, all, worst, isWell, every }) {
  const isAny = live > 0;
  put(byId("connection"), isAny ? TEXTS.hostsLive(live, all) : TEXTS.phases.lost);
  byId("connection").className = !isAny ? "lost" : live < all ? "some" : "live";
  if (every) put(byId("age"), TEXTS.asked(every));
  entitle(isAny ? TEXTS.titleFleet(live, all, worst) : TEXTS.titleUnknown(TEXTS.overview));
  icon(!isAny ? "unknown" : worst === "down" ? "critical" : worst ?? (isWell ? "healthy" : "unknown"));
}

// The counts, each of which is a filter. `found`, by the name of its text: the number, and a text about what is
// unknown; null: unknown.
export function counts(view, found) {
  return Object.entries(found).map(([name, told]) => {
    const [count, unknown] = told ?? [0, ""];
    const isOn = view.only === name;
    return element(
      `a.count.${name}`,
      {
        href: to({ only: isOn ? null : name }, ""),
        "aria-current": isOn && "true",
        class: `count ${name}${count > 0 ? " some" : ""}${unknown ? " unsure" : ""}`,
      },
      `${TEXTS.counts[name]} `,
      element("b", {}, told ? `${count}` : UNKNOWN, unknown ? element("small", {}, `, ${unknown}`) : null),
    );
  });
}

// A count is known only while all values are current; next to it is the number of unknown ones.
function counted(state) {
  const { gpus } = state.event;
  const offers = offersNow(state);
  const unknown = (count) => (count ? TEXTS.unknownToo(count) : "");
  const unjudged = gpus.filter(({ health }) => !known(health.verdict)).length;
  return {
    free: offers && [new Set(offers.map(({ idx }) => idx)).size, unknown(notKnownFree(state).length)],
    trouble: isLive() ? [gpus.filter(isTrouble).length, unknown(unjudged)] : null,
  };
}

function hostLine({ system_info: info, gpus }) {
  const { disk_used_gb: used, disk_available_gb: available } = info;
  const disk = TEXTS.diskFree(number(available), number(known(used) && known(available) ? used + available : null));
  return named(TEXTS.host, {
    gpus: models(gpus),
    cpu: number(info.cpu.cpu_percent, " %"),
    memory: TEXTS.part(number(info.memory.percent, " %"), memory(info.memory.total_mb)),
    disk: known(used) && known(available) ? disk : UNKNOWN,
    ...(known(info.temperature_celsius) && { temperature: number(info.temperature_celsius, " °C") }),
    driver: info.driver_version ?? UNKNOWN,
    cuda: info.cuda_version ?? UNKNOWN,
  });
}

// "8 × H100 80GB HBM3"; of several models each.
function models(gpus) {
  const counted = new Map();
  for (const gpu of gpus) counted.set(product(gpu), (counted.get(product(gpu)) ?? 0) + 1);
  return [...counted].map(([name, count]) => `${count} × ${name}`).join(", ") || UNKNOWN;
}

// Notices that were not seen yet come first.
function entitle(text) {
  document.title = state.notices ? TEXTS.titleNotices(state.notices, text) : text;
}

const COLOURS = { healthy: "#17704a", warning: "#b36b00", critical: "#b3261e", unknown: "#76828a" };
const SIGNS = { healthy: "M3 11V8m3 3V5m3 6V7m3 4V3", warning: "M8 3v6m0 2v2", critical: "M4 4l8 8m0-8l-8 8" };

function worst(all) {
  const verdicts = all.map(({ health }) => health.verdict ?? "unknown");
  return ["critical", "warning", "unknown", "healthy"].find((verdict) => verdicts.includes(verdict));
}

function icon(verdict) {
  const sign = SIGNS[verdict] ?? "M4 8h8";
  const mark = state.notices ? '<circle cx="12" cy="4" r="4" fill="#fff"/><circle cx="12" cy="4" r="3" fill="#06c"/>' : "";
  const drawn = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><rect width="16" height="16" rx="3"
    fill="${COLOURS[verdict]}"/><path d="${sign}" stroke="#fff" stroke-width="1.6"/>${mark}</svg>`;
  const href = `data:image/svg+xml,${encodeURIComponent(drawn)}`;
  if (byId("icon").href !== href) byId("icon").href = href;
}
