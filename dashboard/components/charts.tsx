"use client";

import { Area, AreaChart, Bar, BarChart, CartesianGrid, ComposedChart, Line, ReferenceArea, ReferenceLine, ResponsiveContainer, Tooltip, XAxis, YAxis } from "recharts";
import { compact, pixels, usd } from "@/lib/money";
import { shortMoment, tick } from "@/lib/time";
import type { ReactNode } from "react";

export const color = (i: number) => `var(--series-${i % 8})`;

const dollars = (n: number) => (n >= 1000 || n === 0 ? "$" + compact(n) : n >= 10 ? "$" + n.toFixed(0) : "$" + Number(n.toPrecision(2)));
const axis = { tick: { fill: "var(--color-muted)", fontSize: 11 }, tickLine: false, axisLine: { stroke: "var(--color-line)" } } as const;

function Tip({ title, lines }: { title: string; lines: { name: string; value: string; color?: string }[] }) {
  return (
    <div className="max-w-72 rounded-md border border-line bg-surface p-2.5 text-xs shadow-lg">
      <p className="mb-1 font-medium">{title}</p>
      {lines.map((l, i) => (
        <p key={i} className="flex items-center justify-between gap-4">
          <span className="flex items-center gap-1.5 truncate text-muted">
            {l.color && <span className="size-2 shrink-0 rounded-sm" style={{ background: l.color }} />}
            <span className="truncate">{l.name}</span>
          </span>
          <span className="tabular-nums">{l.value}</span>
        </p>
      ))}
    </div>
  );
}

/** What a colour of a chart stands for. */
interface Key { name: string; color: string; line?: "dashed" | "band" | "wide" }

function Frame({ label, height, keys, children }: { label: string; height: number; keys?: Key[]; children: ReactNode }) {
  return (
    <>
      <div role="img" aria-label={label} style={{ height }}>
        <ResponsiveContainer width="100%" height="100%" initialDimension={{ width: 600, height }}>{children as React.ReactElement}</ResponsiveContainer>
      </div>
      {keys && (
        <div className="mt-2 flex flex-wrap gap-x-4 gap-y-1 text-xs text-muted" aria-label={`Colours of ${label}`} role="group">
          {keys.map((k, i) => (
            <span key={i} className="flex max-w-60 min-w-0 items-center gap-1.5">
              {k.line === "dashed" ? <span className="w-4 shrink-0 border-t-2 border-dashed" style={{ borderColor: k.color }} aria-hidden /> : <span className={`size-2.5 shrink-0 rounded-sm ${k.line === "band" ? "opacity-30" : k.line === "wide" ? "opacity-15" : ""}`} style={{ background: k.color }} aria-hidden />}
              <bdi className="truncate">{k.name}</bdi>
            </span>
          ))}
        </div>
      )}
    </>
  );
}

/** A point of a stacked chart: the key of its time, and the exact amount of each series, in their order. */
export interface Stack {
  key: string;
  amounts: string[];
}

/** Stacked draws spend over time, one colour a series. Places are drawn from rounded dollars, figures are exact. */
export function Stacked({ points, series, label, height = 260 }: { points: Stack[]; series: string[]; label: string; height?: number }) {
  const rows = points.map((p) => ({ key: p.key, ...Object.fromEntries(p.amounts.map((n, i) => ["s" + i, pixels(n)])) }));
  const exact = new Map(points.map((p) => [p.key, p.amounts]));
  return (
    <Frame label={label} height={height} keys={series.length > 1 ? series.map((s, i) => ({ name: s || "none", color: color(i) })) : undefined}>
      <BarChart data={rows} margin={{ top: 8, right: 0, bottom: 0, left: 0 }} accessibilityLayer>
        <CartesianGrid vertical={false} stroke="var(--color-line)" strokeDasharray="2 4" />
        <XAxis dataKey="key" tickFormatter={tick} minTickGap={32} {...axis} />
        <YAxis tickFormatter={dollars} width={48} {...axis} axisLine={false} />
        <Tooltip
          cursor={{ fill: "var(--color-raised)" }}
          content={({ active, label: key }) => {
            const amounts = active && exact.get(String(key));
            if (!amounts) return null;
            const lines = series.map((s, i) => ({ name: s || "none", value: usd(amounts[i]), color: color(i), raw: BigInt(amounts[i] ?? "0") })).filter((l) => l.raw !== 0n);
            return <Tip title={tick(String(key))} lines={lines.reverse()} />;
          }}
        />
        {series.map((s, i) => <Bar key={i} dataKey={"s" + i} name={s} stackId="all" fill={color(i)} isAnimationActive={false} maxBarSize={48} />)}
      </BarChart>
    </Frame>
  );
}

/** An hour of two policies: spend in nano-dollars, or calls. */
export interface Pair {
  at: string;
  now: string;
  then: string;
}

/** Compared draws an hour of two policies side by side. Places are drawn from rounded amounts, figures are exact. */
export function Compared({ points, money, label, height = 200 }: { points: Pair[]; money?: boolean; label: string; height?: number }) {
  const place = (n: string) => (money ? pixels(n) : Number(n));
  const figure = (n: string) => (money ? usd(n, 2) : n);
  const rows = points.map((p) => ({ ...p, a: place(p.now), b: place(p.then) }));
  return (
    <Frame label={label} height={height} keys={[{ name: "policy in force", color: color(0) }, { name: "this draft", color: color(1) }]}>
      <BarChart data={rows} margin={{ top: 8, right: 0, bottom: 0, left: 0 }} accessibilityLayer barGap={0}>
        <CartesianGrid vertical={false} stroke="var(--color-line)" strokeDasharray="2 4" />
        <XAxis dataKey="at" tickFormatter={shortMoment} minTickGap={48} {...axis} />
        <YAxis tickFormatter={money ? dollars : compact} width={48} {...axis} axisLine={false} />
        <Tooltip
          cursor={{ fill: "var(--color-raised)" }}
          content={({ active, payload }) => {
            const p = active && (payload?.[0]?.payload as Pair | undefined);
            return p ? <Tip title={shortMoment(p.at)} lines={[{ name: "policy in force", value: figure(p.now), color: color(0) }, { name: "this draft", value: figure(p.then), color: color(1) }]} /> : null;
          }}
        />
        <Bar dataKey="a" name="policy in force" fill={color(0)} isAnimationActive={false} maxBarSize={24} />
        <Bar dataKey="b" name="this draft" fill={color(1)} isAnimationActive={false} maxBarSize={24} />
      </BarChart>
    </Frame>
  );
}

/** A day of a month: what was spent since its begin, and where it goes. */
export interface MonthDay {
  day: string;
  expected: string;
  total: string;
  lo80: string;
  hi80: string;
  lo95: string;
  hi95: string;
  past: boolean;
}

/** MonthChart draws a month's running total until now, its forecast with the bands that 80 and 95 of 100 months stay within, and a budget's line. */
export function MonthChart({ days, spent, budget, height = 260 }: { days: MonthDay[]; spent: string; budget?: string; height?: number }) {
  const n = (s: string) => Number(BigInt(s)) / 1e9;
  const last = days.findLastIndex((d) => d.past);
  const so = (i: number) => n(i === last ? spent : days[i]!.total); // the last day's total is of its end
  const band = (i: number, lo: string, hi: string) => (i < last ? null : i === last ? [so(i), so(i)] : [n(lo), n(hi)]);
  const rows = days.map((d, i) => ({ key: d.day, actual: i <= last ? so(i) : null, mean: i < last ? null : i === last ? so(i) : n(d.total), band80: band(i, d.lo80, d.hi80), band95: band(i, d.lo95, d.hi95) }));
  return (
    <Frame label="Spend since the month's begin, with its forecast" height={height} keys={[{ name: "spent", color: color(0) }, { name: "forecast", color: color(0), line: "dashed" }, { name: "80 of 100 months", color: color(0), line: "band" }, { name: "95 of 100 months", color: color(0), line: "wide" }]}>
      <ComposedChart data={rows} margin={{ top: 8, right: 0, bottom: 0, left: 0 }} accessibilityLayer>
        <CartesianGrid vertical={false} stroke="var(--color-line)" strokeDasharray="2 4" />
        <XAxis dataKey="key" tickFormatter={tick} minTickGap={32} {...axis} />
        <YAxis tickFormatter={dollars} width={48} {...axis} axisLine={false} domain={[0, (top: number) => Math.max(top, budget ? n(budget) * 1.05 : 0)]} />
        <Tooltip
          content={({ active, label: key }) => {
            const i = days.findIndex((d) => d.day === key);
            const d = active && days[i];
            if (!d) return null;
            const lines = [
              ...(i <= last ? [{ name: "Spent so far", value: usd(i === last ? spent : d.total) }] : []),
              ...(i > last || d.expected !== "0" ? [{ name: i === last ? "Expected by its end" : "Expected", value: usd(d.total, 2) }, { name: "80 % between", value: `${usd(d.lo80, 2)} and ${usd(d.hi80, 2)}` }, { name: "95 % between", value: `${usd(d.lo95, 2)} and ${usd(d.hi95, 2)}` }] : []),
            ];
            return <Tip title={tick(d.day)} lines={lines} />;
          }}
        />
        <Area dataKey="band95" stroke="none" fill="var(--series-0)" fillOpacity={0.09} isAnimationActive={false} connectNulls />
        <Area dataKey="band80" stroke="none" fill="var(--series-0)" fillOpacity={0.14} isAnimationActive={false} connectNulls />
        <Line dataKey="mean" stroke="var(--series-0)" strokeDasharray="4 4" strokeWidth={2} dot={false} isAnimationActive={false} />
        <Line dataKey="actual" stroke="var(--series-0)" strokeWidth={2.5} dot={false} isAnimationActive={false} />
        {budget && <ReferenceLine y={n(budget)} stroke="var(--color-bad)" strokeDasharray="6 3" label={{ value: "budget " + usd(budget, 0), fill: "var(--color-bad)", fontSize: 11, position: "insideTopLeft" }} />}
      </ComposedChart>
    </Frame>
  );
}

/** An hour of a service: what it cost, and what was expected, with the band that 95 of 100 hours stay within. */
export interface BandHour { at: string; actual: string; expected: string; lo95: string; hi95: string }

/** BandChart draws spend by the hour over the band of what was expected, and marks the times that were unusual. */
export function BandChart({ hours, known, marks }: { hours: BandHour[]; known: boolean; marks: { from: string; to: string }[] }) {
  const rows = hours.map((h) => ({ key: h.at, actual: pixels(h.actual), expected: known ? pixels(h.expected) : null, band: known ? [pixels(h.lo95), pixels(h.hi95)] : null }));
  const hourOf = (t: string) => hours.findLast((h) => new Date(h.at) <= new Date(t))?.at;
  const areas = marks.map((m) => ({ from: hourOf(m.from), to: hourOf(m.to) })).filter((m) => m.from && m.to);
  return (
    <Frame label="Spend by the hour, with what was expected" height={280} keys={[{ name: "spent", color: color(1) }, ...(known ? [{ name: "expected", color: color(0), line: "dashed" as const }, { name: "95 of 100 hours", color: color(0), line: "band" as const }] : []), ...(areas.length ? [{ name: "unusual", color: "var(--color-bad)", line: "band" as const }] : [])]}>
      <ComposedChart data={rows} margin={{ top: 8, right: 0, bottom: 0, left: 0 }} accessibilityLayer>
        <CartesianGrid vertical={false} stroke="var(--color-line)" strokeDasharray="2 4" />
        <XAxis dataKey="key" tickFormatter={shortMoment} minTickGap={40} {...axis} />
        <YAxis tickFormatter={dollars} width={48} {...axis} axisLine={false} />
        <Tooltip
          content={({ active, label: key }) => {
            const h = active && hours.find((x) => x.at === key);
            if (!h) return null;
            const lines = [{ name: "Spent", value: usd(h.actual) }, ...(known ? [{ name: "Expected", value: usd(h.expected) }, { name: "95 % between", value: `${usd(h.lo95)} and ${usd(h.hi95)}` }] : [])];
            return <Tip title={shortMoment(h.at)} lines={lines} />;
          }}
        />
        <Area dataKey="band" stroke="none" fill="var(--series-0)" fillOpacity={0.18} isAnimationActive={false} />
        {areas.map((m) =>
          m.from === m.to ? ( // an area within one hour has no width
            <ReferenceLine key={m.from!} x={m.from} stroke="var(--color-bad)" strokeOpacity={0.5} strokeWidth={6} />
          ) : (
            <ReferenceArea key={m.from! + m.to!} x1={m.from} x2={m.to} fill="var(--color-bad)" fillOpacity={0.18} stroke="var(--color-bad)" strokeOpacity={0.5} />
          ),
        )}
        <Line dataKey="expected" stroke="var(--series-0)" strokeDasharray="4 4" strokeWidth={1.5} dot={false} isAnimationActive={false} />
        <Line dataKey="actual" stroke="var(--series-1)" strokeWidth={2} dot={false} isAnimationActive={false} />
      </ComposedChart>
    </Frame>
  );
}

/** Spark draws a small trend of whole numbers. */
export function Spark({ values, label }: { values: { key: string; n: number }[]; label: string }) {
  return (
    <Frame label={label} height={56}>
      <AreaChart data={values} margin={{ top: 4, right: 0, bottom: 0, left: 0 }}>
        <Tooltip content={({ active, payload }) => {
          const p = active && (payload?.[0]?.payload as { key: string; n: number } | undefined);
          return p ? <Tip title={tick(p.key)} lines={[{ name: label, value: compact(p.n) }]} /> : null;
        }} />
        <Area dataKey="n" stroke="var(--series-0)" strokeWidth={1.5} fill="var(--series-0)" fillOpacity={0.15} isAnimationActive={false} />
      </AreaChart>
    </Frame>
  );
}

/** A span of time with quantiles of milliseconds. */
export interface LatencyPoint { at: string; p50: number; p95: number; p99: number; calls: number }

/** LatencyChart draws how long calls took: the middle one, and those that 95 and 99 of 100 stay within. */
export function LatencyChart({ points, label, height = 180 }: { points: LatencyPoint[]; label: string; height?: number }) {
  const ms = (n: number) => `${n < 10 ? n.toFixed(1) : compact(Math.round(n))} ms`;
  return (
    <Frame label={label} height={height} keys={[{ name: "half of the calls", color: color(0) }, { name: "95 of 100", color: color(1) }, { name: "99 of 100", color: color(3) }]}>
      <ComposedChart data={points} margin={{ top: 8, right: 0, bottom: 0, left: 0 }} accessibilityLayer>
        <CartesianGrid vertical={false} stroke="var(--color-line)" strokeDasharray="2 4" />
        <XAxis dataKey="at" tickFormatter={shortMoment} minTickGap={48} {...axis} />
        <YAxis tickFormatter={ms} width={64} {...axis} axisLine={false} />
        <Tooltip
          content={({ active, payload }) => {
            const p = active && (payload?.[0]?.payload as LatencyPoint | undefined);
            return p ? <Tip title={shortMoment(p.at)} lines={[{ name: "99 of 100", value: ms(p.p99), color: color(3) }, { name: "95 of 100", value: ms(p.p95), color: color(1) }, { name: "half", value: ms(p.p50), color: color(0) }, { name: "calls looked at", value: compact(p.calls) }]} /> : null;
          }}
        />
        {(["p50", "p95", "p99"] as const).map((q, i) => <Line key={q} dataKey={q} stroke={color([0, 1, 3][i]!)} strokeWidth={1.75} dot={points.length < 2} isAnimationActive={false} />)}
      </ComposedChart>
    </Frame>
  );
}
