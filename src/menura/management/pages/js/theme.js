// Light or dark: the system's choice, or the reader's.

const STORED = "menura.theme";
export const THEMES = ["auto", "light", "dark"];

export function theme() {
  const stored = localStorage.getItem(STORED);
  return THEMES.includes(stored) ? stored : "auto";
}

export function setTheme(name) {
  localStorage.setItem(STORED, name);
  apply();
}

function apply() {
  document.documentElement.dataset.theme = theme();
}

apply();
