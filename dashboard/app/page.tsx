"use client";

import Link from "next/link";
import { Guide } from "@/components/guide";
import { LatencyChart, MonthChart, Spark, Stacked } from "@/components/lazy";
import { right, Table } from "@/components/table";
import { Badge, Card, Loaded, Meter, Name, Page, Tile } from "@/components/ui";
import { api, useApi, type Schemas } from "@/lib/api";
import type { UseQueryResult } from "@tanstack/react-query";
import { amount, change, compact, count, usd } from "@/lib/money";
import { ago, dayIn, range } from "@/lib/time";
import { stacks } from "@/lib/stacks";
import { joined } from "@/lib/url";

export default function Overview() {
  const overview = useApi(["ledger", "overview"], () => api.GET("/api/v1/overview"), 30_000);
  return (
    <Page title="Overview" lead={overview.data && `Spend of ${new Date(overview.data.month_start).toLocaleDateString(undefined, { month: "long", year: "numeric", timeZone: overview.data.zone })}, days in ${overview.data.zone}`}>
      {overview.data?.month.calls === 0 && overview.data.last_month.calls === 0 && <Guide />}
      <Loaded of={overview}>{(o) => <Tiles o={o} />}</Loaded>
      <div className="grid gap-4 xl:grid-cols-[3fr_2fr]">
        <Month of={overview} />
        <Budgets />
      </div>
      <div className="grid gap-4 xl:grid-cols-[3fr_2fr]">
        <Today />
        <Movers />
      </div>
      <FirstBytes />
      <div className="grid gap-4 xl:grid-cols-2">
        <Incidents />
        <Health />
      </div>
    </Page>
  );
}

function Month({ of }: { of: UseQueryResult<Schemas["Overview"], Error> }) {
  const f = of.data?.forecast;
  return (
    <Card title="Month to date and forecast" aside={f && <span>{f.known ? `month end ${usd(f.mean, 2)}, 80 % between ${usd(f.lo80, 2)} and ${usd(f.hi80, 2)}, 95 % between ${usd(f.lo95, 2)} and ${usd(f.hi95, 2)}` : f.reason}</span>}>
      <Loaded of={of} empty={(o) => o.forecast.days.length === 0 && "Nothing was spent this month yet."}>
        {(o) => <MonthChart spent={o.month.cost} days={o.forecast.days.map((d) => ({ ...d, past: d.day <= dayIn(o.zone, new Date(o.at)) }))} />}
      </Loaded>
    </Card>
  );
}

function Tiles({ o }: { o: Schemas["Overview"] }) {
  const vs = (now: string, before: string, what: string) => (change(now, before) ? `${change(now, before)} against ${what}` : `nothing ${what}`);
  return (
    <>
      {o.degraded.length > 0 && (
        <div role="alert" className="rounded-xl border border-line bg-surface p-4 text-sm">
          <p className="font-medium text-warn">Not everything works as it should</p>
          <ul className="mt-1 list-disc pl-5 text-muted">{o.degraded.map((d) => <li key={d}>{d}</li>)}</ul>
        </div>
      )}
      <div className="grid grid-cols-2 gap-4 lg:grid-cols-4">
        <Tile label="This month" value={usd(o.month.cost, 2)} note={<>{vs(o.month.cost, o.last_month.cost, "last month until now")}{o.month.estimated > 0 && ` · ${((100 * o.month.estimated) / o.month.calls).toFixed(1)} % of calls estimated`}</>} />
        <Tile label="Expected by its end" value={o.forecast.known ? usd(o.forecast.mean, 2) : "—"} note={o.forecast.known ? `80 %: ${usd(o.forecast.lo80, 0)} to ${usd(o.forecast.hi80, 0)} · 95 %: ${usd(o.forecast.lo95, 0)} to ${usd(o.forecast.hi95, 0)}` : "not enough history yet"} />
        <Tile label="Today" value={usd(o.today.cost, 2)} note={vs(o.today.cost, o.yesterday.cost, "yesterday until now")} />
        <Tile label="Saved by downgrades" value={usd(o.downgrades.saved, 2)} tone={o.downgrades.saved !== "0" ? "good" : undefined} note={`${count(o.downgrades.calls)} calls went to a cheaper model${o.downgrades.priced < o.downgrades.calls ? `, ${count(o.downgrades.priced)} of them from one with a price` : ""}`} />
        <Tile label="Calls in the last hour" value={compact(o.last_hour.calls)} note={`${usd(o.last_hour.cost)} in that hour`} />
        <Tile label="Refused in the last hour" value={compact(o.last_hour.refused)} tone={o.last_hour.refused > 0 ? "warn" : undefined} note="throttled or denied" />
        <Slowness />
        <Tile label="Open incidents" value={count(o.open_incidents)} tone={o.open_incidents ? "bad" : "good"} note={<Link href="/alerts" className="underline">alerts</Link>} />
      </div>
    </>
  );
}

/** Slowness tells how long the last hour's calls waited for their first byte. */
function Slowness() {
  const hour = useApi(["latency", "hour"], () => {
    const r = range("hour");
    return api.GET("/api/v1/usage/latency", { params: { query: { from: r.from.toISOString(), to: r.to.toISOString(), by: "provider" } } });
  }, 60_000);
  const wait = hour.data?.total.first_byte_ms, ms = (n: number) => `${count(Math.round(n))} ms`;
  return (
    <Tile label="First byte in the last hour" value={wait?.p95 ? ms(wait.p50) : "—"}
      note={<>{wait?.p95 ? `95 of 100 within ${ms(wait.p95)} · ` : "no call · "}<Link href="/usage?period=day&by=provider" className="underline">by provider</Link></>} />
  );
}

/** FirstBytes is how long calls waited for their first byte in the last day. */
function FirstBytes() {
  const trend = useApi(["latency", "trend"], () => {
    const r = range("day");
    return api.GET("/api/v1/usage/latency/trend", { params: { query: { from: r.from.toISOString(), to: r.to.toISOString() } } });
  }, 60_000);
  return (
    <Card title="Wait for the first byte, last 24 hours" aside="half, 95 and 99 of 100 of each half-hour's newest 200 calls">
      <Loaded of={trend} empty={(t) => t.spans.length === 0 && "No call went out."}>
        {(t) => <LatencyChart label="Wait for the first byte by the half-hour" points={t.spans.map((x) => ({ at: x.at, calls: x.calls, p50: x.first_byte_ms.p50, p95: x.first_byte_ms.p95, p99: x.first_byte_ms.p99 }))} />}
      </Loaded>
    </Card>
  );
}

function Budgets() {
  const limits = useApi(["ledger", "limits"], () => api.GET("/api/v1/limits"), 10_000);
  return (
    <Card title="Budgets" aside={<Link href="/limits" className="underline">all limits</Link>}>
      <Loaded of={limits} empty={(l) => !l?.some((x) => x.measure === "cost") && "The policy has no budget yet."}>
        {(l) => (
          <ul className="space-y-3">
            {(l ?? []).filter((x) => x.measure === "cost").sort((a, b) => b.share - a.share).slice(0, 6).map((x) => (
              <li key={x.cell}>
                <div className="mb-1 flex justify-between gap-3 text-sm"><span className="truncate">{x.name}</span><span className="shrink-0 tabular-nums">{amount(x.measure, x.used)} <span className="text-muted">of {amount(x.measure, x.max)}</span></span></div>
                <Meter share={x.share} label={x.name} />
                <p className="mt-1 text-xs text-muted">{x.end && `ends ${ago(x.end)}`}{runOut(x)}</p>
              </li>
            ))}
          </ul>
        )}
      </Loaded>
    </Card>
  );
}

/** runOut says when a budget is spent if the window goes on as it began. */
function runOut(l: Schemas["Limit"]): string {
  if (!l.start || !l.end || l.share <= 0) return "";
  const now = Date.now(), start = new Date(l.start).getTime();
  if (l.share >= 1) return " · spent";
  const at = start + (now - start) / l.share;
  return at < new Date(l.end).getTime() ? ` · spent ${ago(new Date(at).toISOString())} at this pace` : "";
}

function Today() {
  const usage = useApi(["ledger", "day"], () => {
    const r = range("day");
    return api.GET("/api/v1/usage", { params: { query: { from: r.from.toISOString(), to: r.to.toISOString(), by: ["hour", "team"], top: 7 } } });
  });
  const calls = useApi(["ledger", "minutes"], () => {
    const h = range("hour");
    return api.GET("/api/v1/usage", { params: { query: { from: h.from.toISOString(), to: h.to.toISOString(), by: ["minute"] } } });
  });
  return (
    <Card title="Last 24 hours by team" aside={usage.data && <span>{usd(usage.data.total.cost, 2)} · {compact(usage.data.total.calls)} calls</span>}>
      <Loaded of={usage} empty={(u) => u.rows.length === 0 && <>No call yet. <Link href="/connect" className="text-accent underline">Connect the first service</Link></>}>
        {(u) => <Stacked {...stacks(u, "hour")} label="Spend an hour by team" />}
      </Loaded>
      {!!calls.data?.rows.length && <p className="mt-4 text-xs text-muted">Calls a minute, last hour</p>}
      {!!calls.data?.rows.length && <Spark label="calls" values={calls.data.rows.map((x) => ({ key: x.keys[0] ?? "", n: x.calls }))} />}
    </Card>
  );
}

function Movers() {
  const ask = (from: Date, to: Date) => api.GET("/api/v1/usage", { params: { query: { from: from.toISOString(), to: to.toISOString(), by: ["service", "model"], top: 1000 } } });
  const now = useApi(["movers", "now"], () => ask(range("week").from, range("week").to), 300_000);
  const before = useApi(["movers", "before"], () => ask(range("week").before, range("week").until), 300_000);
  return (
    <Card title="Top movers" aside="last 7 days against the 7 before">
      <Loaded of={before.data ? now : before} empty={() => !now.data?.rows.length && !before.data?.rows.length && "Nothing was spent."}>
        {() => {
          const of = (rows: Schemas["Sums"][] = []) => new Map(rows.map((x) => [JSON.stringify(x.keys), x]));
          const then = of(before.data?.rows), since = of(now.data?.rows);
          const rows = [...new Map([...then, ...since])].map(([key, { keys }]) => ({ keys, cost: since.get(key)?.cost ?? "0", was: then.get(key)?.cost ?? "0" })).sort((a, b) => (diff(b) > diff(a) ? 1 : diff(b) < diff(a) ? -1 : 0)).slice(0, 8);
          return <Table caption="Services and models whose spend changed most" rows={rows} id={(x) => x.keys.join("/")} columns={[
            { header: "Service", cell: ({ row: { original: x } }) => <Link className="underline decoration-line" href={`/usage?by=model&filter=${encodeURIComponent(joined(["service:" + (x.keys[0] ?? "")]))}`}><Name>{x.keys[0] || "none"}</Name></Link> },
            { header: "Model", cell: ({ row: { original: x } }) => x.keys[1] || "—" },
            { header: "Spend", meta: right, cell: ({ row: { original: x } }) => usd(x.cost) },
            { header: "Change", meta: right, cell: ({ row: { original: x } }) => change(x.cost, x.was) || "new" },
          ]} />;
        }}
      </Loaded>
    </Card>
  );
}

const diff = (x: { cost: string; was: string }) => {
  const d = BigInt(x.cost) - BigInt(x.was);
  return d < 0n ? -d : d;
};

function Incidents() {
  const list = useApi(["incidents", "open"], () => api.GET("/api/v1/incidents", { params: { query: { open: true, limit: 6 } } }), 10_000);
  return (
    <Card title="Open incidents" aside={<Link href="/alerts" className="underline">all</Link>}>
      <Loaded of={list} empty={(p) => p.incidents.length === 0 && "Nothing is wrong."}>
        {(p) => <ul className="divide-y divide-line/60">{p.incidents.map((i) => <li key={i.id + i.opened} className="flex items-start justify-between gap-3 py-2 text-sm"><span className="min-w-0 break-words">{i.title}<span className="block text-xs text-muted">{ago(i.opened)}</span></span><Badge>{i.severity}</Badge></li>)}</ul>}
      </Loaded>
    </Card>
  );
}

function Health() {
  const health = useApi(["health"], () => api.GET("/api/v1/health"), 10_000);
  return (
    <Card title="Gateway">
      <Loaded of={health}>
        {(h) => <ul className="divide-y divide-line/60">{(h ?? []).map((c) => <li key={c.name} className="flex items-start justify-between gap-3 py-2 text-sm"><span className="min-w-0 break-words"><span className="font-medium">{c.name}</span><span className="block text-xs text-muted">{c.detail}</span></span><Badge>{c.state}</Badge></li>)}</ul>}
      </Loaded>
    </Card>
  );
}
