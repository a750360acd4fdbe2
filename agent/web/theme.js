// The theme: dark, light, or that of the system.
import { replace } from "./address.js";
import { browser } from "./api.js";
import { byId, element, show } from "./draw.js";
import { TEXTS } from "./texts.js";

function colour(theme) {
  document.documentElement.dataset.theme = theme;
  const [sign, word] = TEXTS.themes[theme].split(" ");
  show(byId("theme"), sign, element("span", {}, ` ${word}`));
  byId("theme").title = TEXTS.theme;
}

// `given`: the theme in the address; null: the one that this browser remembers.
export function prepare(given) {
  const themes = Object.keys(TEXTS.themes);
  let theme = [given, browser?.getItem("agent-theme")].find((one) => themes.includes(one)) ?? "auto";
  colour(theme);
  byId("theme").addEventListener("click", () => {
    theme = themes[(themes.indexOf(theme) + 1) % themes.length];
    browser?.setItem("agent-theme", theme);
    if (given) replace({ theme: null }); // or it would come again
    colour(theme);
  });
}
