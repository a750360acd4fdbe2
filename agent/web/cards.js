// A card for a GPU, for hosts with few GPUs: its load, its users, its health, what limits it.
import { element, facts, line, named, told } from "./draw.js";
import { failure } from "./model.js";
import { slices } from "./slices.js";
import { TEXTS, UNKNOWN, known, number, throughput, words } from "./texts.js";

const HEIGHT = 28; // of a line, in its own units

export function measure({ name, now, why, top, whyTop, limited, write }, rows, place) {
  const written = write(now);
  const value = limited && known(top) ? written.replace(/\s.*/, "") : written; // the unit stands behind the limit
  return element(
    "div",
    { class: `measure ${name}` },
    element("span.name", {}, TEXTS.measures[name]),
    element(
      "span.value",
      {},
      told(value, why),
      limited ? element("small", {}, " / ", told(write(top), whyTop)) : null,
    ),
    rows ? line(rows, place, top, HEIGHT) : null,
  );
}

function pcieLink({ generation, width, current_generation, current_width }) {
  if (!known(current_generation) && !known(generation)) return UNKNOWN;
  const written = (gen, lanes) => TEXTS.link(gen ?? UNKNOWN, lanes ?? UNKNOWN);
  const now = written(current_generation, current_width);
  const best = written(generation, width ?? current_width); // an unknown slot is no other than this one
  return now === best ? now : TEXTS.part(now, best);
}

// NVML's reasons in words; null: a GPU without values; an empty list: nothing limits it.
export const listed = (names) => (names ? names.map(words).join(", ") || TEXTS.nothing : UNKNOWN);

export function usersText({ gpu, users }) {
  if (!users) return told(UNKNOWN, failure(gpu, "top_processes"));
  return users.join(", ") || TEXTS.nobody;
}

// A value that this GPU never reports, such as a fan that it does not have, has no line.
function values(model) {
  const { gpu } = model;
  const { clocks, pcie, throttling } = gpu;
  const traffic = [pcie.tx_throughput_mbps, pcie.rx_throughput_mbps];
  const clockRates = TEXTS.clocks(number(clocks.graphics_mhz), number(clocks.memory_mhz, " MHz"));
  const whyNoFan = failure(gpu, "fan_speed_percent");
  const fan = known(gpu.fan_speed_percent) || known(whyNoFan);
  return {
    users: usersText(model),
    clocks: told(known(clocks.graphics_mhz) ? clockRates : UNKNOWN, failure(gpu, "clocks.graphics_mhz")),
    ...(fan && { fan: told(number(gpu.fan_speed_percent, " %"), whyNoFan) }),
    limited: told(listed(throttling.reason_names), failure(gpu, "throttling.reason_names")),
    pcie: gpu.status === "unavailable" || gpu.state === "asleep" ? UNKNOWN : [
      told(pcieLink(pcie), failure(gpu, "pcie.current_generation", "pcie.generation")),
      " ",
      told(
        traffic.some(known) ? TEXTS.traffic(...traffic.map(throughput)) : UNKNOWN,
        failure(gpu, "pcie.tx_throughput_mbps", "pcie.rx_throughput_mbps"),
      ),
    ],
    bottlenecks: listed(throttling.bottlenecks),
  };
}

export function card(model, rows, marks) {
  return element(
    `li.card.${model.kind.replace(" ", ".")}`,
    { "data-key": model.id },
    element("div.card-head", {}, marks),
    model.isMixed ? element("p.model", {}, model.product) : null,
    element("div.measures", {}, model.measures.map((one, place) => measure(one, rows, place))),
    slices(model.mig, model.instances),
    element("dl.facts", {}, facts(named(TEXTS.facts, values(model)))),
  );
}
