// The model of one GPU that rows, cards and tiles show: in words, and only with values that are known now.
import { to } from "./address.js";
import { known, memory, number, TEXTS, UNKNOWN } from "./texts.js";

const MOST_NAMED = 5; // processes of a GPU that the agent names in each event

// Why it cannot be read, then every reason of its verdict; for a lost GPU the first reason is the same.
export const reasons = (gpu) => [...new Set([gpu.error, ...gpu.health.reasons])].filter(known).join(". ");

// The product name without its maker.
export const product = (gpu) => gpu.name?.replace(/^NVIDIA /, "") ?? UNKNOWN;

// NVML's error for a field, or for the object that contains it.
export function failureIn(failed, field) {
  return failed?.[field] ?? failed?.[field.slice(0, field.lastIndexOf("."))];
}

// NVML's error for the first failed field among these.
export const failure = (gpu, ...fields) => fields.map((field) => failureIn(gpu.failed, field)).find(known);

// The reason of the host's verdict; a healthy host has no line.
export const judged = ({ verdict, reasons }) => [TEXTS.verdicts[verdict ?? "unknown"], ...reasons].join(": ");

// The measures of a GPU, in the order of history.js: the present value, the top of its scale, whether that is a limit,
// and why each of the two is unknown.
export function measures(gpu) {
  const total = gpu.memory.total_mb;
  return [
    {
      name: "utilization",
      now: gpu.utilization.gpu_percent,
      why: failure(gpu, "utilization.gpu_percent"),
      top: 100,
      write: (value) => number(value, " %"),
    },
    {
      name: "memory",
      now: gpu.memory.used_mb,
      why: failure(gpu, "memory.used_mb"),
      top: total,
      whyTop: failure(gpu, "memory.total_mb"),
      limited: true,
      write: (value) => memory(value, total ?? value), // used and total in the same unit
    },
    {
      name: "temperature",
      now: gpu.temperature_celsius,
      why: failure(gpu, "temperature_celsius"),
      top: 100,
      write: (value) => number(value, " °C"),
    },
    {
      name: "power",
      now: gpu.power.usage_watts,
      why: failure(gpu, "power.usage_watts"),
      top: gpu.power.limit_watts,
      whyTop: failure(gpu, "power.limit_watts"),
      limited: true,
      write: (value) => number(value, " W"),
    },
  ];
}

// The users of a GPU by name, an unknown one as UNKNOWN; null: its processes are unknown.
export function usersOf(gpu) {
  if (!gpu.top_processes) return null;
  const names = new Set(gpu.top_processes.map((process) => process.username ?? UNKNOWN));
  if (gpu.top_processes.length === MOST_NAMED) names.add("…"); // there may be more
  return [...names];
}

// A sign and a word, and the class of their colour. The state comes before the verdict, because the verdict on a GPU
// that cannot be read says the same. `age`: seconds, for values that are not current; they have no verdict.
export function standing(gpu, age = null) {
  if (known(age)) return { word: TEXTS.aged(age), kind: "unknown" };
  const verdict = gpu.health.verdict ?? "unknown";
  const late = gpu.state === "stale" && known(gpu.age_ms) ? `, ${TEXTS.age(number(gpu.age_ms / 1000, "", 1))}` : "";
  return { word: (TEXTS.states[gpu.state] ?? TEXTS.verdicts[verdict]) + late, kind: `${gpu.state} ${verdict}` };
}

export const isTrouble = ({ health }) => ["warning", "critical"].includes(health.verdict);

const OLD_OFFER = 8000; // milliseconds after which what was free then is not known to be free

// Whether the answer of /free is current.
const isOffering = ({ phase, offers, now }) => phase === "live" && offers !== null && now - offers.at <= OLD_OFFER;

// Whether an offered GPU or instance is still free in the event, which is newer. Graphics processes alone do not make
// it busy.
function isStillFree({ idx, mig_index: instance }, gpu, processes) {
  if (gpu?.health.verdict === "critical") return false;
  if (gpu?.state === "asleep") return true; // nothing runs on it
  if (gpu?.state !== "ok") return false;
  if (known(instance)) return gpu.mig?.find(({ index }) => index === instance)?.processes === 0;
  const isGraphics = ({ pid }) => processes?.some((one) => one.pid === pid && one.idx === idx && one.type === "G");
  return gpu.top_processes?.every(isGraphics) ?? false;
}

// The free GPUs, best first; null: unknown.
export function offersNow(state) {
  if (!isOffering(state)) return null;
  const gpus = new Map(state.event.gpus.map((gpu) => [gpu.id, gpu]));
  return state.offers.gpus.filter((offer) => isStillFree(offer, gpus.get(offer.idx), state.processes));
}

// Indices of the GPUs that the operator keeps out of /free.
const keptOut = ({ passed_over: passed = [] }) => passed.filter(({ reason }) => reason === TEXTS.keptOut).map(({ idx }) => idx);

// The GPUs for which it is unknown whether they are free. A lost GPU is not free, nor is one that is kept out.
export function notKnownFree({ event, offers }) {
  const isOut = ({ id, state }) => ["lost", "asleep"].includes(state) || keptOut(offers).includes(id);
  const untold = event.gpus.filter((gpu) => !isOut(gpu) && (gpu.state !== "ok" || !gpu.top_processes));
  const passedOver = (offers.passed_over ?? []).filter(({ reason }) => /\bunknown\b/.test(reason));
  return [...new Set([...untold.map(({ id }) => id), ...passedOver.map(({ idx }) => idx)])].sort((a, b) => a - b);
}

// All that a card, a row or a tile shows of one GPU, which has the form of a GPU in /gpu. `age`: seconds, of values
// that are not those of now; `free`: in words that it can be taken; `instances`: indices of the MIG instances that can.
// `isKeptOut`: the operator keeps it out of /free.
export function shown(gpu, href, { age, users, free, instances, isKeptOut = false }) {
  const isNow = age === null;
  const { word, kind } = standing(gpu, age);
  const load = gpu.utilization.gpu_percent;
  // The sign is for the eye: a screen reader says "GPU 1, warning, 97 % busy".
  const spoken = [TEXTS.gpu(gpu.id), word.replace(/^\S /, ""), known(load) && TEXTS.busy(number(load, " %")), free, isKeptOut && TEXTS.keptOut];
  return {
    gpu,
    id: gpu.id,
    href,
    word,
    kind,
    stateWord: isNow ? TEXTS.states[gpu.state] : null, // instead of values that there are none of
    free, // in words; null: it is not offered
    isKeptOut,
    users, // by name; null: not known
    product: product(gpu),
    measures: measures(gpu),
    spoken: spoken.filter(Boolean).join(", "),
    mig: gpu.mig,
    instances,
    isTrouble: isNow && isTrouble(gpu),
  };
}

// The same for a GPU of this host.
export function described(gpu, state) {
  const isNow = state.phase === "live";
  const mine = isOffering(state) ? state.offers.gpus.filter(({ idx }) => idx === gpu.id) : [];
  const offers = mine.filter((offer) => isStillFree(offer, gpu, state.processes));
  const instances = offers.map((offer) => offer.mig_index).filter(known);
  const free = !offers.length ? null : instances.length ? TEXTS.freeInstances(instances.length) : TEXTS.free;
  const isKeptOut = isOffering(state) && keptOut(state.offers).includes(gpu.id);
  const age = isNow ? null : Math.round((state.now - state.heardAt) / 1000);
  return shown(gpu, to({}, `#gpu${gpu.id}`), { age, users: isNow ? usersOf(gpu) : null, free, instances, isKeptOut });
}
