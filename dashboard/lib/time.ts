// Times are shown in the viewer's zone; the organisation's is named beside sums of days.

const at = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const day = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric" });

const month = new Intl.DateTimeFormat(undefined, { month: "long", year: "numeric" });
const short = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" });

export const shortMoment = (t: string) => short.format(new Date(t));
export const moment = (t: string | undefined) => (t ? at.format(new Date(t)) : "");

/** tick shortens a key of time of the API for an axis: days, hours and minutes. */
export function tick(key: string): string {
  if (/^\d{4}-\d{2}-\d{2}$/.test(key)) return day.format(new Date(key + "T12:00:00"));
  if (/^\d{4}-\d{2}$/.test(key)) return month.format(new Date(key + "-15T12:00:00"));
  if (/T\d{2}:\d{2}Z$/.test(key)) return clock.format(new Date(key));
  return key;
}

/** span is a number of seconds in the largest unit that it fills. */
export function span(seconds: number): string {
  const units: [number, string][] = [[86400, "d"], [3600, "h"], [60, "min"]];
  const [size, name] = units.find(([size]) => seconds >= size) ?? [1, "s"];
  return `${Math.floor(seconds / size)} ${name}`;
}

export function ago(t: string | undefined): string {
  if (!t) return "";
  const s = Math.round((Date.now() - new Date(t).getTime()) / 1000);
  return s >= 0 ? `${span(s)} ago` : `in ${span(-s)}`;
}

export const periods = {
  hour: "Last hour", day: "Last 24 hours", week: "Last 7 days", month: "This month", last: "Last month", quarter: "Last 90 days",
} as const;
export type PeriodName = keyof typeof periods;

const aMinute = 60_000, anHour = 60 * aMinute, aDay = 24 * anHour;

const clocks = new Map<string | undefined, Intl.DateTimeFormat>();

/** wall is what a zone's clock shows at a moment, as the moment at which UTC's shows that. */
function wall(at: number, zone?: string): number {
  let f = clocks.get(zone);
  if (!f) clocks.set(zone, (f = new Intl.DateTimeFormat("en-US", { timeZone: zone, hourCycle: "h23", year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric", second: "numeric" })));
  const parts = f.formatToParts(at);
  const n = (type: string) => Number(parts.find((p) => p.type === type)?.value);
  return Date.UTC(n("year"), n("month") - 1, n("day"), n("hour"), n("minute"), n("second")) + (at - Math.floor(at / 1000) * 1000);
}

/** instant is the moment at which a zone's clock shows a time: the first one where it shows a time twice, the jump itself or later where it never does. */
function instant(clock: number, zone?: string): number {
  const near = [clock - aDay, clock + aDay].map((t) => clock - (wall(t, zone) - t)).sort((a, b) => a - b);
  return near.find((t) => wall(t, zone) === clock) ?? near[1]!;
}

const dateOf = (clock: number) => new Date(clock).toISOString().slice(0, 10);

/** dayIn is the day of a moment in a zone, as YYYY-MM-DD. */
export const dayIn = (zone?: string, at = new Date()) => dateOf(wall(at.getTime(), zone));

/** daysOf lists the days of a zone from a moment until before another. */
export function daysOf(from: Date, to: Date, zone?: string): string[] {
  const out: string[] = [], last = wall(to.getTime() - 1, zone);
  for (let at = Math.floor(wall(from.getTime(), zone) / aDay) * aDay; at <= last && out.length < 2000; at += aDay) out.push(dateOf(at));
  return out;
}

export interface Range { from: Date; to: Date; before: Date; until: Date; by: "minute" | "hour" | "day" }

/** Dates are days of the organisation's zone, the last one included. */
export interface Dates { from: string; to: string }

const isDate = (text: string | null): text is string => !!text && /^\d{4}-\d{2}-\d{2}$/.test(text) && !Number.isNaN(Date.parse(text));

/** datesOf reads the dates of an address that has both, in their order. */
export function datesOf(address: URLSearchParams): Dates | undefined {
  const from = address.get("from"), to = address.get("to");
  return isDate(from) && isDate(to) && from <= to ? { from, to } : undefined;
}

/** range gives a period's bounds, and those of the one before it. Days and months are those of zone: the organisation's, as on the overview. */
export function range(name: string, zone?: string, dates?: Dates, now = new Date()): Range {
  if (dates) return between(dates, zone);
  const to = new Date(Math.ceil(now.getTime() / aMinute) * aMinute);
  const back = (ms: number, by: Range["by"]): Range => ({ from: new Date(to.getTime() - ms), to, before: new Date(to.getTime() - 2 * ms), until: new Date(to.getTime() - ms), by });
  const local = new Date(wall(Math.floor(now.getTime() / aMinute) * aMinute, zone));
  const begin = (months: number) => new Date(instant(Date.UTC(local.getUTCFullYear(), local.getUTCMonth() + months, 1), zone));
  const from = begin(0), before = begin(-1);
  switch (name) {
    case "hour": return back(anHour, "minute");
    case "day": return back(aDay, "hour");
    case "week": return back(7 * aDay, "day");
    case "quarter": return back(90 * aDay, "day");
    case "last": return { from: before, to: from, before: begin(-2), until: before, by: "day" };
    default: {
      const same = instant(Date.UTC(local.getUTCFullYear(), local.getUTCMonth() - 1, local.getUTCDate(), local.getUTCHours(), local.getUTCMinutes()), zone);
      return { from, to, before, until: new Date(Math.min(from.getTime(), same)), by: "day" };
    }
  }
}

function between({ from, to }: Dates, zone?: string): Range {
  const first = Date.parse(from), days = Math.round((Date.parse(to) - first) / aDay) + 1;
  const at = (n: number) => new Date(instant(first + n * aDay, zone));
  return { from: at(0), to: at(days), before: at(-days), until: at(0), by: days <= 3 ? "hour" : "day" };
}
