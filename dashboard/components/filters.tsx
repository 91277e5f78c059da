"use client";

import { filtersOf, joined, useAddress } from "@/lib/url";
import { X } from "lucide-react";
import { useMemo } from "react";
import { Button, Name } from "./ui";

/** useFilters reads the address' filters, such as team:core, and gives a function that changes them. */
export function useFilters(): [string[], (next: string[], more?: Record<string, string | undefined>) => void] {
  const [address, set] = useAddress();
  const text = address.get("filter") ?? "";
  const filters = useMemo(() => filtersOf(text), [text]);
  return [filters, (next, more) => set({ ...more, filter: joined(next) || undefined })];
}

/** Filters shows what the address filters by, each with a way to drop it. */
export function Filters() {
  const [filters, set] = useFilters();
  if (filters.length === 0) return null;
  return (
    <ul className="flex flex-wrap gap-2" aria-label="Filters">
      {filters.map((f) => (
        <li key={f}><Button className="max-w-full" onClick={() => set(filters.filter((x) => x !== f))} aria-label={`${f.replace(":", " is ")}: remove the filter`}><Name>{f.replace(":", " is ")}</Name> <X className="size-3.5 shrink-0" aria-hidden /></Button></li>
      ))}
    </ul>
  );
}
