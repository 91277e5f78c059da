"use client";

import { useSession } from "@/lib/api";
import { datesOf, dayIn, periods, range, type Dates, type PeriodName, type Range } from "@/lib/time";
import { useAddress } from "@/lib/url";
import { useMemo } from "react";
import { Input, Select } from "./ui";

/** Period is what the address says of the time that a page is about. */
export interface Period {
  name: string;
  dates?: Dates;
  key: string; // for queries: it stays while the clock goes on
  by: Range["by"];
  range: () => Range; // as of now
}

/** usePeriod reads the address: a named period, or dates of the organisation's zone. */
export function usePeriod(usual: PeriodName): Period {
  const [address] = useAddress();
  const zone = useSession().data?.zone, name = address.get("period") ?? usual, dates = datesOf(address);
  const key = dates ? `${dates.from}/${dates.to}` : name;
  // The key stands for the dates, which are new with every render.
  // eslint-disable-next-line react-hooks/exhaustive-deps
  return useMemo(() => ({ name, dates, key, by: range(name, zone, dates).by, range: () => range(name, zone, dates) }), [key, zone]);
}

const chosen = "dates";

/** PeriodChoice changes what usePeriod reads. */
export function PeriodChoice({ period: p }: { period: Period }) {
  const [, set] = useAddress();
  const zone = useSession().data?.zone;
  const choose = (value: string) => {
    if (value !== chosen) return set({ period: value, from: undefined, to: undefined });
    set({ period: undefined, from: dayIn(zone, p.range().from), to: dayIn(zone, new Date(p.range().to.getTime() - 1)) });
  };
  const change = (parts: Partial<Dates>) => {
    const next = { ...p.dates!, ...parts };
    if (next.from && next.to) set(next.from <= next.to ? { ...next } : { from: parts.from ?? parts.to, to: parts.from ?? parts.to });
  };
  return (
    <>
      <Select aria-label="Period" value={p.dates ? chosen : p.name} onChange={(e) => choose(e.target.value)}>
        {Object.entries(periods).map(([k, v]) => <option key={k} value={k}>{v}</option>)}
        <option value={chosen}>From … to …</option>
      </Select>
      {p.dates && <Input type="date" aria-label="From" required value={p.dates.from} onChange={(e) => change({ from: e.target.value })} className="w-36" />}
      {p.dates && <Input type="date" aria-label="To" required value={p.dates.to} onChange={(e) => change({ to: e.target.value })} className="w-36" />}
    </>
  );
}
