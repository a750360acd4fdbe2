// All values of one GPU, in words and by subject.
import { element, facts, headings, told } from "./draw.js";
import { ranges } from "./findings.js";
import { failureIn } from "./model.js";
import { SUBJECTS, TABLES, TOLD } from "./subjects.js";
import { TEXTS, UNKNOWN, known } from "./texts.js";
import { WORDS, label, written } from "./words.js";

const at = (gpu, path) => path.split(".").reduce((part, name) => part?.[name], gpu);
const isObject = (value) => known(value) && typeof value === "object" && !Array.isArray(value);
const isTable = (value) => Array.isArray(value) && typeof value[0] === "object";

// The paths of all single values.
function paths(part, path = "") {
  return Object.entries(part).flatMap(([name, value]) => {
    const here = path + name;
    if (TOLD.has(here)) return [];
    return isObject(value) ? paths(value, `${here}.`) : [here];
  });
}

// Why a value is unknown, by the agent's name of the reason; the name of an object stands for all in it.
function reasonOf(gpu, path) {
  const isNamed = (name) => name === path || path.startsWith(`${name}.`);
  return Object.entries(gpu.detail.unknown ?? {}).find(([, names]) => names.some(isNamed))?.[0];
}

// A value as text; null: this GPU never reports it, so it has no line.
function value(gpu, path) {
  const found = at(gpu, path);
  if (isTable(found)) return `${found.length}`;
  if (known(found)) return written(path, found);
  const reason = reasonOf(gpu, path);
  if (reason === "not_supported" || reason === "missing") return null;
  const why = failureIn(gpu.detail.failed, path) ?? failureIn(gpu.failed, path);
  return known(why) ? told(UNKNOWN, why) : dash(WORDS.unknown[reason]);
}

// An unknown value with its reason, for pointer, keyboard and screen reader.
function dash(why) {
  if (!known(why)) return UNKNOWN;
  return element("span.err.dash", { tabindex: "0" }, UNKNOWN, element("span.why", {}, ` ${why}`));
}

function fact(gpu, [path, name, most]) {
  const now = value(gpu, path);
  const limit = most && at(gpu, most);
  if (!known(limit)) return now === null ? [] : [[name, now]];
  return [[name, [now ?? UNKNOWN, element("small", {}, WORDS.outOf(written(most, limit)))]]];
}

const section = (name, content, wide = false) =>
  element(`section${wide ? ".wide" : ""}`, {}, element("h3", {}, name), content);

function pairs(name, found) {
  return found.length ? [section(name, element("dl.facts", {}, facts(found)))] : [];
}

// Equal links share a line: "0–17", with the sum of their throughput.
function grouped(links) {
  const groups = new Map();
  for (const link of links) {
    const alike = JSON.stringify({ ...link, link: 0, tx_throughput_mbps: 0, rx_throughput_mbps: 0 });
    groups.set(alike, [...(groups.get(alike) ?? []), link]);
  }
  return [...groups.values()].map((alike) => {
    const sum = (name) => (alike.every((one) => known(one[name])) ? alike.reduce((all, one) => all + one[name], 0) : null);
    return {
      ...alike[0],
      link: ranges(alike.map(({ link }) => link)),
      tx_throughput_mbps: sum("tx_throughput_mbps"),
      rx_throughput_mbps: sum("rx_throughput_mbps"),
    };
  });
}

function table(name, columns, rows) {
  const used = Object.keys(columns).filter((column) => rows.some((row) => known(row[column])));
  const text = (column, one) => (isTable(one) ? `${one.length}` : written(column, one));
  const cells = (row) => used.map((column) => element("td", {}, text(column, row[column])));
  const head = element("thead", {}, element("tr", {}, headings(used.map((column) => columns[column]))));
  const body = element("tbody", {}, rows.map((row) => element("tr", {}, cells(row))));
  // With the focus on it, the keyboard scrolls it.
  const frame = { tabindex: "0", role: "region", "aria-label": name };
  return section(name, element("div.scroll", frame, element("table", {}, head, body)), true);
}

function links(gpu, topology) {
  const others = (topology?.[gpu.id] ?? []).map((link, other) => [TEXTS.gpu(other), link ?? UNKNOWN]);
  return pairs(WORDS.connected, others.filter(([, link]) => link !== "X")); // the GPU itself, as nvidia-smi writes it
}

// `gpu`: of /gpu?detail=1; `topology`: of the same answer.
export function sections(gpu, topology) {
  const tabled = Object.keys(TABLES);
  const named = [...Object.values(SUBJECTS).flat().flatMap(([path, , most]) => [path, most ?? path]), ...tabled];
  // An agent of another version may report values without a name here.
  const more = paths(gpu).filter((path) => !named.some((one) => one === path || one.startsWith(`${path}.`)));
  return [
    ...Object.entries(SUBJECTS).flatMap(([name, all]) => pairs(name, all.flatMap((one) => fact(gpu, one)))),
    ...links(gpu, topology),
    ...pairs(WORDS.andMore, more.flatMap((path) => fact(gpu, [path, label(path.replace("detail.", "").replaceAll(".", "_"))]))),
    ...tabled.filter((path) => isTable(at(gpu, path))).map((path) => {
      const rows = at(gpu, path);
      return table(...TABLES[path], path === "detail.nvlinks" ? grouped(rows) : rows);
    }),
  ];
}
