import type { Stack } from "@/components/charts";
import { daysOf } from "@/lib/time";

type Row = { keys: string[]; cost: string };
type Folded = { groups: number; at_least: boolean; rows: Row[] };

/** keysOf lists the spans of a range as the API writes their keys: hours and minutes of UTC, days of the zone. */
function keysOf(from: Date, to: Date, by: "minute" | "hour" | "day", zone: string): string[] {
  if (by === "day") return daysOf(from, to, zone);
  const step = by === "minute" ? 60_000 : 3_600_000, out: string[] = [];
  for (let at = Math.floor(from.getTime() / step) * step; at < to.getTime() && out.length < 2000; at += step) out.push(new Date(at).toISOString().slice(0, by === "minute" ? 16 : 13) + (by === "minute" ? "Z" : ":00Z"));
  return out;
}

/** others names the groups that an answer folds. */
export const others = ({ groups, at_least }: Folded) => `${at_least ? "at least " : ""}${groups.toLocaleString()} ${groups === 1 ? "other" : "others"}`;

/** stacks turns rows by time and one more dimension into a chart's points: every span of the range, and the largest series; the last one is what the answer folds. */
export function stacks({ rows, other, from, to, zone }: { rows: Row[]; other?: Folded; from: string; to: string; zone: string }, by: "minute" | "hour" | "day"): { points: Stack[]; series: string[] } {
  const totals = new Map<string, bigint>();
  for (const r of rows) totals.set(r.keys[1] ?? "", (totals.get(r.keys[1] ?? "") ?? 0n) + BigInt(r.cost));
  const order = [...totals].sort((a, b) => (b[1] > a[1] ? 1 : b[1] < a[1] ? -1 : 0)).map(([name]) => name);
  const place = new Map(order.map((name, i) => [name, i])); // amounts go by place: names are the callers', and any word may be one
  const series = other ? [...order, others(other)] : order;
  const points = new Map<string, bigint[]>();
  const none = () => series.map(() => 0n);
  for (const key of keysOf(new Date(from), new Date(to), by, zone)) points.set(key, none());
  const add = (r: Row, i: number) => {
    const key = r.keys[0] ?? "", amounts = points.get(key) ?? none();
    amounts[i] = (amounts[i] ?? 0n) + BigInt(r.cost);
    points.set(key, amounts);
  };
  for (const r of rows) add(r, place.get(r.keys[1] ?? "") ?? 0);
  for (const r of other?.rows ?? []) add(r, order.length);
  return { series, points: [...points].sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, amounts]) => ({ key, amounts: amounts.map(String) })) };
}
