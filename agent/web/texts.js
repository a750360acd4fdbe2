// Every text of the page that a person reads and that does not come from the agent.
export const UNKNOWN = "–";
export const TEXTS = {
  live: "live",
  paused: "paused while this tab is hidden",
  connecting: "connecting …",
  lostConnection: (seconds) => `connection lost, next try in ${seconds} s`,
  age: (seconds) => `${seconds} s old`,
  wrongToken: "That token is wrong.",
  simulated: "Simulated: no real GPU is behind these numbers.",
  free: (list) => `Free now: ${list}`,
  noneFree: "No GPU is free now.",
  noProcesses: "No process on a GPU.",
  gpu: (index) => `GPU ${index}`,
  idleHolder: "idle",
  states: { starting: "starting", ok: "ok", stale: "late", stuck: "stuck", lost: "lost" },
  verdicts: { healthy: "✓ healthy", warning: "▲ warning", critical: "✖ critical" },
  unknownHealth: "? unknown",
  measures: { utilization: "GPU", memory: "Memory", temperature: "Temperature", power: "Power" },
  facts: { fan: "Fan", clocks: "Clocks", pcie: "PCIe", limits: "Held back by" },
  nothingLimits: "nothing",
  lastMinutes: (minutes) => `the last ${minutes} min`,
  columns: ["GPU", "User", "PID", "Command", "Memory", "SM", "Running", "Belongs to", ""],
};
