"use client";

import Link from "next/link";
import { Stacked } from "@/components/lazy";
import { Filters, useFilters } from "@/components/filters";
import { PeriodChoice, usePeriod, type Period } from "@/components/period";
import { right, Table, type Context } from "@/components/table";
import { Button, Card, Fault, Loaded, Name, Page, Select } from "@/components/ui";
import { api, unwrap, useApi, type Schemas } from "@/lib/api";
import { cell, download } from "@/lib/csv";
import { change, compact, count, usd } from "@/lib/money";
import { moment } from "@/lib/time";
import { others, stacks } from "@/lib/stacks";
import { joined, useAddress } from "@/lib/url";
import { Download } from "lucide-react";
import { useState } from "react";

const choices = ["team", "service", "provider", "endpoint", "model", "day", "month", "action", "reason", "asked", "source", "tier"]; // in the order of drilling down
const beside = ["org", "hour", "minute"]; // an organisation's own page has one; hours and minutes are the chart's
const timely = ["day", "month"], spanned = ["minute", "hour", ...timely];

export default function UsagePage() {
  const [address, set] = useAddress();
  const period = usePeriod("month");
  const by = address.get("by") ?? "team", [filter, setFilter] = useFilters();
  const over = timely.includes(by) ? [period.by] : [period.by, by]; // spans of time are the chart's already
  const ask = (dimensions: string[], top: number, before = false) => {
    const r = period.range();
    return { params: { query: { from: (before ? r.before : r.from).toISOString(), to: (before ? r.until : r.to).toISOString(), by: dimensions, filter, top } } };
  };
  const key = [period.key, by, filter.join()], top = topOf(address.get("top"));
  const sums = useApi(["ledger", "usage", ...key, top], () => api.GET("/api/v1/usage", ask([by], top)), 60_000);
  const before = useApi(["before", ...key], () => api.GET("/api/v1/usage", ask([by], most, true)), 60_000);
  const series = useApi(["ledger", "series", ...key], () => api.GET("/api/v1/usage", ask(over, drawn)), 60_000);
  const known = useApi(["dimensions"], () => api.GET("/api/v1/usage/dimensions"));
  const more = (known.data ?? []).filter((d) => !choices.includes(d) && !beside.includes(d));
  const pick = (k: string) => {
    if (timely.includes(by)) return set({ ...datesOfKey(k), period: undefined, by: "team" });
    setFilter([...filter, `${by}:${k}`], { by: choices[(choices.indexOf(by) + 1) % choices.length] });
  };
  const calls = (k: string) => {
    const dates = timely.includes(by) ? datesOfKey(k) : period.dates;
    const filters = timely.includes(by) ? filter : [...filter, `${by}:${k}`];
    return "/calls?" + new URLSearchParams({ ...(dates ? { ...dates } : { period: period.name }), ...(filters.length ? { filter: joined(filters) } : {}) }).toString();
  };
  return (
    <Page
      title="Usage" lead={sums.data && `Days in ${sums.data.zone}`}
      aside={
        <>
          <PeriodChoice period={period} />
          <Select aria-label="Group by" value={by} onChange={(e) => set({ by: e.target.value })}>{[...choices, ...more].map((c) => <option key={c} value={c}>by {c.replace("_", " ")}</option>)}</Select>
          <Save ask={() => ask(over, most)} name={`usage-${period.key.replace("/", "-")}-${by}.csv`} head={over} />
        </>
      }
    >
      <Filters />
      <Card title={`Spend by ${by}`} aside={sums.data && <span>{usd(sums.data.total.cost, 2)} {before.data && change(sums.data.total.cost, before.data.total.cost) && `(${change(sums.data.total.cost, before.data.total.cost)})`} · {compact(sums.data.total.calls)} calls · {compact(sums.data.total.input_tokens + sums.data.total.output_tokens)} tokens</span>}>
        <Loaded of={series} empty={(u) => u.rows.length === 0 && "No call in this period."}>{(u) => <Stacked {...stacks(u, period.by)} label={`Spend by ${by}`} height={300} />}</Loaded>
      </Card>
      <Card title="Sums" aside="against the period before">
        <Loaded of={sums} empty={(u) => u.rows.length === 0 && "No call in this period."}>
          {(u) => (
            <>
              <Sums of={u} before={before.data} by={by} calls={calls} pick={pick} />
              {u.other && top < most && <div className="mt-4 text-center"><Button disabled={sums.isPlaceholderData} onClick={() => set({ top: String(Math.min(most, top * 4)) })}>Show more</Button></div>}
            </>
          )}
        </Loaded>
      </Card>
      <Took period={period} by={by} filter={filter} />
      <Savings />
      <Files period={period} />
    </Page>
  );
}

/** The groups that the chart draws, that the table shows at first, and that one answer can have. */
const drawn = 7, few = 25, most = 1000;

const topOf = (text: string | null) => Math.min(most, Math.max(few, Math.trunc(Number(text)) || few));

/** share is undefined of nothing: a table sorts that below the others. */
const share = (n: number, of: number) => (of ? n / of : undefined);

const percent = ({ getValue }: Context<Schemas["Took"]>) => {
  const of = getValue<number | undefined>();
  return of === undefined ? "—" : `${(100 * of).toFixed(1)}\u202f%`;
};

const ms = ({ getValue }: Context<Schemas["Took"]>) => {
  const n = getValue<number>();
  return n ? `${n < 10 ? n.toFixed(1) : count(Math.round(n))} ms` : "—";
};

const timed = ["team", "service", "provider", "endpoint", "model"] as const;

/** Took shows how long the newest calls took and how they ended, by the page's dimension or else by model. */
function Took({ period, by, filter }: { period: Period; by: string; filter: string[] }) {
  const dimension = timed.find((d) => d === by) ?? "model";
  const took = useApi(["latency", period.key, dimension, filter.join()], () => {
    const r = period.range();
    return api.GET("/api/v1/usage/latency", { params: { query: { from: r.from.toISOString(), to: r.to.toISOString(), by: dimension, filter } } });
  }, 60_000);
  return (
    <Card title={`Latency and errors by ${dimension}`} aside={took.data && (took.data.calls >= 10_000 ? `the newest ${count(took.data.calls)} calls, since ${moment(took.data.since)}` : `${count(took.data.calls)} calls`)}>
      <Loaded of={took} empty={(l) => l.calls === 0 && "No call in this period."}>
        {(l) => (
          <Table caption={`Latency and errors by ${dimension}`} rows={[...l.rows, l.total]} id={(x) => (x === l.total ? "all" : "group " + x.key)} sort="sort-latency" last={(x) => x === l.total} columns={[
            { id: "key", header: dimension, accessorFn: (x) => (x === l.total ? "all" : x.key || "none") },
            { id: "calls", header: "Calls", meta: right, accessorKey: "calls", cell: ({ row: { original: x } }) => count(x.calls) },
            { id: "first-p50", header: "First byte p50", meta: right, accessorFn: (x) => x.first_byte_ms.p50, cell: ms },
            { id: "first-p95", header: "p95", meta: right, accessorFn: (x) => x.first_byte_ms.p95, cell: ms },
            { id: "whole-p50", header: "Whole p50", meta: right, accessorFn: (x) => x.duration_ms.p50, cell: ms },
            { id: "whole-p95", header: "p95", meta: right, accessorFn: (x) => x.duration_ms.p95, cell: ms },
            { id: "whole-p99", header: "p99", meta: right, accessorFn: (x) => x.duration_ms.p99, cell: ms },
            { id: "failed", header: "Failed", meta: right, accessorFn: (x) => share(x.failed, x.calls - x.refused), cell: percent },
            { id: "limited", header: "Provider's 429", meta: right, accessorFn: (x) => share(x.limited, x.calls - x.refused), cell: percent },
            { id: "refused", header: "Refused", meta: right, accessorFn: (x) => share(x.refused, x.calls), cell: percent },
            { id: "priced", header: "Priced", meta: right, accessorKey: "priced", cell: percent },
          ]} />
        )}
      </Loaded>
    </Card>
  );
}

/** Files are those that other systems read, of the page's period and of all calls. */
function Files({ period }: { period: Period }) {
  const list = useApi(["exports"], () => api.GET("/api/v1/exports"));
  const address = (x: Schemas["Export"]) => {
    const r = period.range(), month = (n: number) => new Date(Date.UTC(r.from.getUTCFullYear(), r.from.getUTCMonth() + n, 1));
    return `/api/v1/exports/${x.name}?` + new URLSearchParams({ from: (x.monthly ? month(0) : r.from).toISOString(), to: (x.monthly ? month(1) : r.to).toISOString() }).toString();
  };
  return (
    <Card title="Files for other systems" aside="days of UTC, every call of the period">
      <Loaded of={list}>{(l) => <ul className="flex flex-wrap gap-x-6 gap-y-2 text-sm">{(l ?? []).map((x) => <li key={x.name}><a className="underline decoration-line" href={address(x)} download onClick={(e) => { e.currentTarget.href = address(x); }}>{x.summary}</a></li>)}</ul>}</Loaded>
    </Card>
  );
}

/** Savings ranks what the last 30 days' calls could have saved; it reads them all, so it is asked for. */
function Savings() {
  const [asked, setAsked] = useState(false);
  return (
    <Card title="Could cost less" aside={asked ? "30 days like the last, with the bounds that 80 of 100 stay within" : <Button onClick={() => setAsked(true)}>Look</Button>}>
      {asked ? <Found /> : <p className="text-sm text-muted">Prices the last 30 days&apos; short calls at smaller models of their family, and prompts that begin alike from the provider&apos;s cache.</p>}
    </Card>
  );
}

function Found() {
  const [to] = useState(() => new Date());
  const savings = useApi(["savings"], () => api.GET("/api/v1/usage/savings", { params: { query: { from: new Date(to.getTime() - 30 * 86_400_000).toISOString(), to: to.toISOString(), limit: 20 } } }));
  return (
    <Loaded of={savings} empty={(l) => !l?.length && "Nothing was found."}>
      {(l) => (
        <Table caption="Savings" rows={l ?? []} id={(x) => [x.kind, x.team, x.service, x.provider, x.model].join("/")} columns={[
          { header: "Service", cell: ({ row: { original: x } }) => <><Name>{x.service}</Name><Name className="text-xs text-muted">{x.team}</Name></> },
          { header: "Model", cell: ({ row: { original: x } }) => `${x.provider}/${x.model}` },
          { header: "Instead", cell: ({ row: { original: x } }) => <span title={x.assumes}>{x.to || x.kind}</span> },
          { header: "Calls", meta: right, cell: ({ row: { original: x } }) => `${compact(x.calls)} of ${compact(x.of_calls)}` },
          { header: "Saved a month", meta: right, cell: ({ row: { original: x } }) => <>{usd(x.month, 2)}<span className="block text-xs text-muted">{usd(x.lo80, 2)} to {usd(x.hi80, 2)}</span></> },
        ]} />
      )}
    </Loaded>
  );
}

/** datesOfKey gives the first and the last day of a day or a month. */
function datesOfKey(key: string): { from: string; to: string } {
  if (key.length > 7) return { from: key, to: key };
  const [year = 0, month = 0] = key.split("-").map(Number);
  return { from: key + "-01", to: new Date(Date.UTC(year, month, 0)).toISOString().slice(0, 10) };
}

type Row = Schemas["Sums"] & { others?: string };

function Sums({ of, before, by, calls, pick }: { of: Schemas["Usage"]; before?: Schemas["Usage"]; by: string; calls: (key: string) => string; pick: (key: string) => void }) {
  const old = new Map(before?.rows.map((x) => [x.keys[0], x.cost])), { total, other } = of;
  const since = ({ row: { original: x } }: Context<Row>) => {
    if (x.others) return "";
    const was = old.get(x.keys[0]);
    return was === undefined && before?.other ? "—" : change(x.cost, was ?? "0") || "new"; // what was folded then may have been there
  };
  const grown = (x: Row) => {
    const was = BigInt(old.get(x.keys[0]) ?? "0");
    return was > 0n ? ((BigInt(x.cost) - was) * 1000n) / was : undefined;
  };
  const rows: Row[] = [...of.rows, ...(other?.rows.map((x) => ({ ...x, others: others(other) })) ?? [])];
  return <Table caption={`Sums by ${by}`} rows={rows} id={(x) => (x.others ? "others" : "group " + x.keys.join())} sort="sort" last={(x) => !!x.others} columns={[
    { id: "key", header: by, accessorFn: (x) => x.keys[0] ?? "", cell: ({ row: { original: x } }) => (x.others ? <span className="text-muted">{x.others}</span> : <button type="button" className="max-w-full cursor-pointer text-left underline decoration-line" onClick={() => pick(x.keys[0] ?? "")}><Name>{x.keys[0] || "none"}</Name></button>) },
    { id: "spend", header: "Spend", meta: right, accessorFn: (x) => BigInt(x.cost), cell: ({ row: { original: x } }) => usd(x.cost) },
    { header: "Share", meta: right, cell: ({ row: { original: x } }) => (total.cost === "0" ? "—" : Number((BigInt(x.cost) * 1000n) / BigInt(total.cost)) / 10 + "\u202f%") },
    ...(timely.includes(by) ? [] : [{ id: "change", header: "Change", meta: right, accessorFn: grown, cell: since }]),
    { id: "calls", header: "Calls", meta: right, accessorKey: "calls", cell: ({ row: { original: x } }) => (x.others ? count(x.calls) : <Link className="underline decoration-line" href={calls(x.keys[0] ?? "")}>{count(x.calls)}</Link>) },
    { id: "refused", header: "Refused", meta: right, accessorKey: "refused", cell: ({ row: { original: x } }) => count(x.refused) },
    { id: "downgraded", header: "Downgraded", meta: right, accessorKey: "downgraded", cell: ({ row: { original: x } }) => count(x.downgraded) },
    { id: "estimated", header: "Estimated", meta: right, accessorKey: "estimated", cell: ({ row: { original: x } }) => count(x.estimated) },
    { id: "input", header: "Input", meta: right, accessorKey: "input_tokens", cell: ({ row: { original: x } }) => compact(x.input_tokens) },
    { id: "output", header: "Output", meta: right, accessorKey: "output_tokens", cell: ({ row: { original: x } }) => compact(x.output_tokens) },
  ]} />;
}

type Asked = { params: { query: { from: string; to: string; by: string[]; filter: string[]; top: number } } };

function Save({ ask, name, head }: { ask: () => Asked; name: string; head: string[] }) {
  const [error, setError] = useState<Error | null>(null);
  const save = async () => {
    try {
      const u = await unwrap(api.GET("/api/v1/usage", ask()));
      const lines = [[...head, "calls", "refused", "downgraded", "estimated", "input_tokens", "output_tokens", "cost_usd"].join(",")];
      const spans = head.flatMap((name, i) => (spanned.includes(name) ? [i] : [])); // the others have keys for these alone
      const rest = u.other?.rows.map((r) => ({ ...r, keys: head.map((_, i) => (spans.includes(i) ? (r.keys[spans.indexOf(i)] ?? "") : others(u.other!))) })) ?? [];
      for (const r of [...u.rows, ...rest]) lines.push([...r.keys.map(cell), r.calls, r.refused, r.downgraded, r.estimated, r.input_tokens, r.output_tokens, usd(r.cost, 9).replace(/[$,]/g, "").replace("−", "-")].join(","));
      download(name, lines);
      setError(u.more ? new Error("The file ends after 10,000 spans of time; sentinel export csv has all.") : u.other ? new Error(`The file has one line a span for ${others(u.other)}; sentinel export csv has all.`) : null);
    } catch (e) {
      setError(e as Error);
    }
  };
  return <><Button onClick={save}><Download className="size-4" aria-hidden /> CSV</Button><Fault error={error} /></>;
}
