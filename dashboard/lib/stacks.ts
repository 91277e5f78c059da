import type { Stack } from "@/components/charts";
import { daysOf } from "@/lib/time";

type Row = { keys: string[] | null; cost: string };

const most = 7;

/** keysOf lists the spans of a range as the API writes their keys: hours and minutes of UTC, days of the zone. */
function keysOf(from: Date, to: Date, by: "minute" | "hour" | "day", zone: string): string[] {
  if (by === "day") return daysOf(from, to, zone);
  const step = by === "minute" ? 60_000 : 3_600_000, out: string[] = [];
  for (let at = Math.floor(from.getTime() / step) * step; at < to.getTime() && out.length < 2000; at += step) out.push(new Date(at).toISOString().slice(0, by === "minute" ? 16 : 13) + (by === "minute" ? "Z" : ":00Z"));
  return out;
}

/** stacks turns rows by time and one more dimension into a chart's points: every span of the range, and the largest series, the rest summed in a last one. */
export function stacks({ rows, from, to, zone }: { rows: Row[]; from: string; to: string; zone: string }, by: "minute" | "hour" | "day"): { points: Stack[]; series: string[] } {
  const totals = new Map<string, bigint>();
  for (const r of rows) totals.set(r.keys?.[1] ?? "", (totals.get(r.keys?.[1] ?? "") ?? 0n) + BigInt(r.cost));
  const order = [...totals].sort((a, b) => (b[1] > a[1] ? 1 : b[1] < a[1] ? -1 : 0)).map(([name]) => name);
  const kept = order.length > most + 1 ? order.slice(0, most) : order;
  const place = new Map(kept.map((name, i) => [name, i])); // amounts go by place: names are the callers', and any word may be one
  const series = kept.length < order.length ? [...kept, `${order.length - kept.length} others`] : kept;
  const points = new Map<string, bigint[]>();
  const none = () => series.map(() => 0n);
  for (const key of keysOf(new Date(from), new Date(to), by, zone)) points.set(key, none());
  for (const r of rows) {
    const key = r.keys?.[0] ?? "", i = place.get(r.keys?.[1] ?? "") ?? kept.length;
    const amounts = points.get(key) ?? none();
    amounts[i] = (amounts[i] ?? 0n) + BigInt(r.cost);
    points.set(key, amounts);
  }
  return { series, points: [...points].sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, amounts]) => ({ key, amounts: amounts.map(String) })) };
}
