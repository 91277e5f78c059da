"use client";

import { useEffect, useSyncExternalStore } from "react";

export type Theme = "system" | "light" | "dark";

const kept = "theme", changed = "sentinel:theme";

function subscribe(tell: () => void) {
  const system = matchMedia("(prefers-color-scheme: dark)");
  window.addEventListener(changed, tell);
  system.addEventListener("change", tell);
  return () => {
    window.removeEventListener(changed, tell);
    system.removeEventListener("change", tell);
  };
}

const chosen = (): Theme => {
  const theme = localStorage.getItem(kept);
  return theme === "light" || theme === "dark" ? theme : "system";
};

const isDark = () => (chosen() === "system" ? matchMedia("(prefers-color-scheme: dark)").matches : chosen() === "dark");

/** setTheme follows the system, or else what this browser's user chose. */
export function setTheme(theme: Theme) {
  if (theme === "system") localStorage.removeItem(kept);
  else localStorage.setItem(kept, theme);
  window.dispatchEvent(new Event(changed));
}

/** useTheme tells what was chosen and what it comes to, and colours the page. */
export function useTheme(): { theme: Theme; dark: boolean } {
  const theme = useSyncExternalStore(subscribe, chosen, (): Theme => "system"), dark = useSyncExternalStore(subscribe, isDark, () => false);
  useEffect(() => {
    document.documentElement.style.colorScheme = theme === "system" ? "" : theme;
  }, [theme]);
  return { theme, dark };
}
