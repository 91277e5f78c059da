import type { Stack } from "@/components/charts";

type Row = { keys: string[] | null; cost: string };

const most = 7;

/** keyOf writes a moment as the API writes the key of its span; days are the API's, in its zone. */
function keyOf(at: Date, by: "minute" | "hour" | "day"): string {
  const iso = at.toISOString();
  return by === "minute" ? iso.slice(0, 16) + "Z" : by === "hour" ? iso.slice(0, 13) + ":00Z" : iso.slice(0, 10);
}

/** stacks turns rows by time and one more dimension into a chart's points: every span of the range, and the largest series, the rest as "other". */
export function stacks(rows: Row[], from: Date, to: Date, by: "minute" | "hour" | "day"): { points: Stack[]; series: string[] } {
  const totals = new Map<string, bigint>();
  for (const r of rows) totals.set(r.keys?.[1] ?? "", (totals.get(r.keys?.[1] ?? "") ?? 0n) + BigInt(r.cost));
  const order = [...totals].sort((a, b) => (b[1] > a[1] ? 1 : b[1] < a[1] ? -1 : 0)).map(([name]) => name);
  const series = order.length > most + 1 ? [...order.slice(0, most), "other"] : order;
  const kept = new Set(series);
  const points = new Map<string, Record<string, bigint>>();
  const step = { minute: 60_000, hour: 3_600_000, day: 86_400_000 }[by];
  for (let at = Math.floor(from.getTime() / step) * step; at < to.getTime() && points.size < 2000; at += step) points.set(keyOf(new Date(at), by), {});
  for (const r of rows) {
    const key = r.keys?.[0] ?? "";
    const name = kept.has(r.keys?.[1] ?? "") ? (r.keys?.[1] ?? "") : "other";
    const p = points.get(key) ?? {};
    p[name] = (p[name] ?? 0n) + BigInt(r.cost);
    points.set(key, p);
  }
  return { series, points: [...points].sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, p]) => ({ key, amounts: Object.fromEntries(Object.entries(p).map(([k, v]) => [k, v.toString()])) })) };
}
