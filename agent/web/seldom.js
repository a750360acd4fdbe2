// Requests every few seconds, in addition to the stream: processes, free GPUs, and what to do about findings.
import { FREE, PROCESSES } from "./answers.js";
import { get, worded } from "./api.js";
import { moment } from "./connection.js";
import { SUMMARY, checked } from "./shape.js";
import { changed, state } from "./state.js";
import { known } from "./texts.js";

const PAUSE = 5000; // milliseconds between two looks

// The key of a process: pid, GPU and MIG instance.
const key = ({ pid, idx, mig_index: instance }) => [`${pid}@${idx}`, instance].filter(known).join(".");

async function processes(signal) {
  const answer = checked(await get("processes", signal), PROCESSES);
  return {
    processes: answer.processes.map((process) => ({ ...process, key: key(process) })),
    processesUnknown: answer.unknown_idx,
    processesFault: null,
  };
}

async function offers(signal) {
  const at = performance.now();
  const isMig = state.event.gpus.some((gpu) => gpu.mig);
  const answer = checked(await get(`free?count=128${isMig ? "&mig=1" : ""}`, signal), FREE);
  return { offers: { ...answer, at } };
}

// The stream has the findings, /summary what to do about the gravest one of each GPU.
async function advice(signal) {
  const { gpus, health } = state.event;
  if (![{ health }, ...gpus].some((one) => one.health.reasons.length)) return {};
  const { host, gpus: found } = checked(await get("summary", signal), SUMMARY);
  return { advice: new Map([host, ...found].map(({ reason, todo }) => [reason, todo])) };
}

// Each request, and the state if it fails: one failure does not affect the others.
const QUESTIONS = [
  [processes, (why) => ({ processes: null, processesUnknown: [], processesFault: why })],
  [offers, () => ({ offers: null })],
  [advice, () => ({})],
];

async function ask([question, without], signal) {
  const found = await question(signal).catch((error) => signal.aborted || without(worded(error)));
  if (signal.aborted) return; // what is shown is withdrawn, and keeps its place
  Object.assign(state, found);
  changed();
}

const round = (signal) => Promise.all(QUESTIONS.map((question) => ask(question, signal)));

let loops = 0;

// Repeats until `signal` ends it or another loop begins; a new round starts only after the previous one.
export async function lookAround(signal) {
  const mine = ++loops;
  while (!signal.aborted && mine === loops) {
    const now = moment();
    if (now) await round(AbortSignal.any([signal, now]));
    await new Promise((resume) => setTimeout(resume, PAUSE));
  }
}
