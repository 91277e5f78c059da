// Times are shown in the viewer's zone; the organisation's is named beside sums of days.

const at = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const day = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric" });

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

/** range gives a period's bounds, and those of the one before. Months are the viewer's; the API's default is the organisation's. */
export function range(name: string, now = new Date()): { from: Date; to: Date; before: Date; by: "minute" | "hour" | "day" } {
  const to = new Date(Math.ceil(now.getTime() / 60_000) * 60_000);
  const back = (ms: number) => new Date(to.getTime() - ms);
  const h = 3_600_000;
  switch (name) {
    case "hour": return { from: back(h), to, before: back(2 * h), by: "minute" };
    case "day": return { from: back(24 * h), to, before: back(48 * h), by: "hour" };
    case "week": return { from: back(7 * 24 * h), to, before: back(14 * 24 * h), by: "day" };
    case "quarter": return { from: back(90 * 24 * h), to, before: back(180 * 24 * h), by: "day" };
    case "last": {
      const end = new Date(to.getFullYear(), to.getMonth(), 1);
      return { from: new Date(to.getFullYear(), to.getMonth() - 1, 1), to: end, before: new Date(to.getFullYear(), to.getMonth() - 2, 1), by: "day" };
    }
    default: {
      const from = new Date(to.getFullYear(), to.getMonth(), 1);
      return { from, to, before: new Date(from.getTime() - (to.getTime() - from.getTime())), by: "day" };
    }
  }
}
