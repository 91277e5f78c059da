"use client";

import { useCallback, useSyncExternalStore } from "react";

// The address holds the state of a view, so that every view can be shared.

const changed = "sentinel:address";

function subscribe(tell: () => void) {
  window.addEventListener("popstate", tell);
  window.addEventListener(changed, tell);
  return () => {
    window.removeEventListener("popstate", tell);
    window.removeEventListener(changed, tell);
  };
}

/** useAddress gives the query of the address, and a function that changes parts of it. */
export function useAddress(): [URLSearchParams, (parts: Record<string, string | undefined>) => void] {
  const text = useSyncExternalStore(subscribe, () => window.location.search, () => "");
  const set = useCallback((parts: Record<string, string | undefined>) => {
    const next = new URLSearchParams(window.location.search);
    for (const [k, v] of Object.entries(parts)) v ? next.set(k, v) : next.delete(k);
    const query = next.toString();
    window.history.replaceState(window.history.state, "", window.location.pathname + (query ? "?" + query : ""));
    window.dispatchEvent(new Event(changed));
  }, []);
  return [new URLSearchParams(text), set];
}

/** joined writes filters into one part of the address; a value's own | and \ are led by \. */
export const joined = (filters: string[]) => filters.map((f) => f.replace(/[\\|]/g, "\\$&")).join("|");

/** filtersOf reads what joined wrote. */
export const filtersOf = (text: string) => (text.match(/(?:\\.|[^\\|])+/gs) ?? []).map((f) => f.replace(/\\(.)/gs, "$1"));

/** reachable is the gateway's address for others: one that listens everywhere is reached at the host that this page came from. */
export const reachable = (gateway: string) => gateway.replace(/^(https?:\/\/)(0\.0\.0\.0|\[::\])?(?=:\d+$)/, (_, scheme: string) => scheme + window.location.hostname);
