// Times are shown in the viewer's zone; the organisation's is named beside sums of days.

const at = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const day = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric" });

const short = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" });

export const shortMoment = (t: string) => short.format(new Date(t));
export const moment = (t: string | undefined) => (t ? at.format(new Date(t)) : "");

/** tick shortens a key of time of the API for an axis: days, hours and minutes. */
export function tick(key: string): string {
  if (/^\d{4}-\d{2}-\d{2}$/.test(key)) return day.format(new Date(key + "T12:00:00"));
  if (/T\d{2}:\d{2}Z$/.test(key)) return clock.format(new Date(key));
  return key;
}

export function ago(t: string | undefined): string {
  if (!t) return "";
  const s = Math.round((Date.now() - new Date(t).getTime()) / 1000);
  const unit: [number, string][] = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
  const [size, name] = unit.find(([size]) => Math.abs(s) >= size) ?? [1, "s"];
  const n = Math.floor(Math.abs(s) / size);
  return s >= 0 ? `${n} ${name} ago` : `in ${n} ${name}`;
}

export const periods = {
  hour: "Last hour", day: "Last 24 hours", week: "Last 7 days", month: "This month", last: "Last month", quarter: "Last 90 days",
} as const;
export type PeriodName = keyof typeof periods;

/** offset is how many milliseconds a zone is ahead of UTC at a moment. */
function offset(at: number, zone?: string): number {
  const parts = new Intl.DateTimeFormat("en-US", { timeZone: zone, hourCycle: "h23", year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric", second: "numeric" }).formatToParts(at);
  const n = (type: string) => Number(parts.find((p) => p.type === type)?.value);
  return Date.UTC(n("year"), n("month") - 1, n("day"), n("hour"), n("minute"), n("second")) - Math.floor(at / 1000) * 1000;
}

/** monthBegin gives the begin of the month that is so many months after that of now, in a zone. */
function monthBegin(now: Date, months: number, zone?: string): Date {
  const local = new Date(now.getTime() + offset(now.getTime(), zone));
  const begin = Date.UTC(local.getUTCFullYear(), local.getUTCMonth() + months, 1);
  let at = begin;
  for (let i = 0; i < 2; i++) at = begin - offset(at, zone); // the clock may have changed since
  return new Date(at);
}

export interface Range { from: Date; to: Date; before: Date; until: Date; by: "minute" | "hour" | "day" }

/** range gives a period's bounds, and those of the one before it. Months are those of zone: the organisation's, as on the overview. */
export function range(name: string, zone?: string, now = new Date()): Range {
  const to = new Date(Math.ceil(now.getTime() / 60_000) * 60_000);
  const h = 3_600_000;
  const back = (ms: number, by: Range["by"]): Range => ({ from: new Date(to.getTime() - ms), to, before: new Date(to.getTime() - 2 * ms), until: new Date(to.getTime() - ms), by });
  const from = monthBegin(now, 0, zone), before = monthBegin(now, -1, zone);
  switch (name) {
    case "hour": return back(h, "minute");
    case "day": return back(24 * h, "hour");
    case "week": return back(7 * 24 * h, "day");
    case "quarter": return back(90 * 24 * h, "day");
    case "last": return { from: before, to: from, before: monthBegin(now, -2, zone), until: before, by: "day" };
    default: return { from, to, before, until: new Date(Math.min(from.getTime(), before.getTime() + to.getTime() - from.getTime())), by: "day" };
  }
}
