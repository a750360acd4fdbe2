// The address contains what is shown, so that it can be reloaded, shared and left by "Back": the view after "#", its
// filters and options after "?".
const VIEWS = /^#(?:gpu(\d+)|(processes|users|gpus))?$/;
// The parameters of the address, each with its valid values; any other value counts as not given.
const CHOICES = {
  user: /./, // whose GPUs and processes
  gpu: /^\d+$/, // of which GPU the processes are
  only: /^(?:free|trouble|down)$/, // which GPUs, or hosts
  node: /./, // of all hosts those whose name has this
  model: /./, // and the GPUs whose name has this
  need: /^\d+,/, // what the need line asks for: see wish.js
  sort: /^-?\w+$/, // the column of the processes; "-": the greatest first
  open: /^\d+@\d+(?:\.\d+)?$/, // the process that is unfolded: its key
  density: /^(?:cards|rows|tiles)$/,
  range: /^(?:5|15|60|1440|129600)$/, // minutes that the charts show
  hours: /^(?:7|30)$/, // days of which GPU hours are shown
};

// ?wall: for a screen without keyboard and mouse.
export const WALL = new URLSearchParams(location.search).has("wall");

// {name: "host", "gpu", "gpus", "processes" or "users"; index: of the GPU in view; and the choices, null where not
// made}
export function read() {
  const [, index, name] = VIEWS.exec(location.hash) ?? [];
  const given = new URLSearchParams(location.search);
  const chosen = Object.entries(CHOICES).map(([choice, fit]) => {
    const value = given.get(choice);
    return [choice, value !== null && fit.test(value) ? value : null];
  });
  return {
    name: index ? "gpu" : name ?? "host",
    index: index ? Number(index) : null,
    ...Object.fromEntries(chosen),
  };
}

// The address with these parameters, for a link; null removes one. `hash`: "" is the host.
export function to(choices, hash = location.hash) {
  const given = new URLSearchParams(location.search);
  for (const [choice, value] of Object.entries(choices)) {
    if (value === null || value === "") given.delete(choice);
    else given.set(choice, value);
  }
  const query = `${given}`.replace(/=(?=&|$)/g, ""); // "?host" stays as it is
  return `${location.pathname}${query && `?${query}`}${hash}`;
}

// The same without a history entry: typing a filter is not a step for "Back".
export const replace = (choices) => history.replaceState(null, "", to(choices));
