"use client";

import Link from "next/link";
import { Stacked } from "@/components/lazy";
import { Button, Card, Fault, Loaded, Page, Select, Table } from "@/components/ui";
import { api, unwrap, useApi, useSession, type Schemas } from "@/lib/api";
import { change, compact, count, usd } from "@/lib/money";
import { moment, periods, range } from "@/lib/time";
import { stacks } from "@/lib/stacks";
import { useAddress } from "@/lib/url";
import { Download, X } from "lucide-react";
import { useMemo, useState } from "react";

const choices = ["team", "service", "provider", "endpoint", "model", "action", "reason", "asked", "source", "tier"];

export default function UsagePage() {
  const [address, set] = useAddress();
  const zone = useSession().data?.zone;
  const period = address.get("period") ?? "month", by = address.get("by") ?? "team", filter = useFilters(address);
  const r = useMemo(() => range(period, zone), [period, zone]);
  const query = (dimensions: string[], from = r.from, to = r.to, limit = 1000) => ({ params: { query: { from: from.toISOString(), to: to.toISOString(), by: dimensions, filter, limit } } });
  const key = [period, by, filter.join()];
  const sums = useApi(["ledger", "usage", ...key], () => api.GET("/api/v1/usage", query([by])));
  const before = useApi(["ledger", "before", ...key], () => api.GET("/api/v1/usage", query([by], r.before, r.until)));
  const series = useApi(["ledger", "series", ...key], () => api.GET("/api/v1/usage", query([r.by, by], r.from, r.to, 10_000)));
  const drop = (f: string) => set({ filter: filter.filter((x) => x !== f).join("|") || undefined });
  return (
    <Page
      title="Usage" lead={sums.data && `Days in ${sums.data.zone}`}
      aside={
        <>
          <Select aria-label="Period" value={period} onChange={(e) => set({ period: e.target.value })}>{Object.entries(periods).map(([k, v]) => <option key={k} value={k}>{v}</option>)}</Select>
          <Select aria-label="Group by" value={by} onChange={(e) => set({ by: e.target.value })}>{choices.map((c) => <option key={c} value={c}>by {c}</option>)}</Select>
          <Save query={query([r.by, by], r.from, r.to, 10_000)} name={`usage-${period}-${by}.csv`} head={[r.by, by]} />
        </>
      }
    >
      {filter.length > 0 && (
        <ul className="flex flex-wrap gap-2" aria-label="Filters">
          {filter.map((f) => <li key={f}><Button onClick={() => drop(f)} aria-label={`Remove the filter ${f}`}>{f.replace(":", " is ")} <X className="size-3.5" aria-hidden /></Button></li>)}
        </ul>
      )}
      <Card title={`Spend by ${by}`} aside={sums.data && <span>{usd(sums.data.total.cost, 2)} {before.data && change(sums.data.total.cost, before.data.total.cost) && `(${change(sums.data.total.cost, before.data.total.cost)})`} · {compact(sums.data.total.calls)} calls · {compact(sums.data.total.input_tokens + sums.data.total.output_tokens)} tokens</span>}>
        <Loaded of={series} empty={(u) => u.rows.length === 0 && "No call in this period."}>{(u) => <Stacked {...stacks(u.rows, r.from, r.to, r.by)} label={`Spend by ${by}`} height={300} />}</Loaded>
      </Card>
      <Card title="Sums" aside="against the period before">
        <Loaded of={sums} empty={(u) => u.rows.length === 0 && "No call in this period."}>
          {(u) => <Sums rows={u.rows} before={before.data?.rows ?? []} by={by} total={u.total} calls={(k) => callsOf(period, [...filter, `${by}:${k}`])} pick={(k) => set({ filter: [...filter, `${by}:${k}`].join("|"), by: choices[(choices.indexOf(by) + 1) % choices.length] })} />}
        </Loaded>
      </Card>
      <Took period={period} by={by} filter={filter} from={r.from} to={r.to} />
      <Savings />
    </Page>
  );
}

const timed = ["team", "service", "provider", "endpoint", "model"] as const;

/** Took shows how long the newest calls took and how they ended, by the page's dimension or else by model. */
function Took({ period, by, filter, from, to }: { period: string; by: string; filter: string[]; from: Date; to: Date }) {
  const dimension = timed.find((d) => d === by) ?? "model";
  const took = useApi(["ledger", "latency", period, dimension, filter.join()], () => api.GET("/api/v1/usage/latency", { params: { query: { from: from.toISOString(), to: to.toISOString(), by: dimension, filter } } }));
  const ms = (n: number) => (n ? `${n < 10 ? n.toFixed(1) : count(Math.round(n))} ms` : "—");
  const share = (n: number, of: number) => (of ? `${((100 * n) / of).toFixed(1)}\u202f%` : "—");
  return (
    <Card title={`Latency and errors by ${dimension}`} aside={took.data && (took.data.calls >= 10_000 ? `the newest ${count(took.data.calls)} calls, since ${moment(took.data.since)}` : `${count(took.data.calls)} calls`)}>
      <Loaded of={took} empty={(l) => l.calls === 0 && "No call in this period."}>
        {(l) => (
          <Table caption={`Latency and errors by ${dimension}`} rows={[...l.rows, { ...l.total, key: "all" }]} id={(x, i) => x.key + i} columns={[
            { head: dimension, cell: (x) => x.key || "none" },
            { head: "Calls", right: true, cell: (x) => count(x.calls) },
            { head: "First byte p50", right: true, cell: (x) => ms(x.first_byte_ms.p50) },
            { head: "p95", right: true, cell: (x) => ms(x.first_byte_ms.p95) },
            { head: "Whole p50", right: true, cell: (x) => ms(x.duration_ms.p50) },
            { head: "p95 ", right: true, cell: (x) => ms(x.duration_ms.p95) },
            { head: "p99", right: true, cell: (x) => ms(x.duration_ms.p99) },
            { head: "Failed", right: true, cell: (x) => share(x.failed, x.calls - x.refused) },
            { head: "Provider's 429", right: true, cell: (x) => share(x.limited, x.calls - x.refused) },
            { head: "Refused", right: true, cell: (x) => share(x.refused, x.calls) },
            { head: "Priced", right: true, cell: (x) => `${(100 * x.priced).toFixed(1)}\u202f%` },
          ]} />
        )}
      </Loaded>
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
          { head: "Service", cell: (x) => <>{x.service}<span className="block text-xs text-muted">{x.team}</span></> },
          { head: "Model", cell: (x) => `${x.provider}/${x.model}` },
          { head: "Instead", cell: (x) => <span title={x.assumes}>{x.to || x.kind}</span> },
          { head: "Calls", right: true, cell: (x) => `${compact(x.calls)} of ${compact(x.of_calls)}` },
          { head: "Saved a month", right: true, cell: (x) => <>{usd(x.month, 2)}<span className="block text-xs text-muted">{usd(x.lo80, 2)} to {usd(x.hi80, 2)}</span></> },
        ]} />
      )}
    </Loaded>
  );
}

const callsOf = (period: string, filter: string[]) => "/calls?" + new URLSearchParams({ period, filter: filter.join("|") }).toString();

function useFilters(address: URLSearchParams): string[] {
  const text = address.get("filter") ?? "";
  return useMemo(() => text.split("|").filter(Boolean), [text]);
}

function Sums({ rows, before, by, total, calls, pick }: { rows: Schemas["Sums"][]; before: Schemas["Sums"][]; by: string; total: Schemas["Sums"]; calls: (key: string) => string; pick: (key: string) => void }) {
  const old = new Map(before.map((x) => [x.keys[0], x.cost]));
  return <Table caption={`Sums by ${by}`} rows={rows} id={(x) => x.keys.join()} columns={[
    { head: by, cell: (x) => <button type="button" className="cursor-pointer text-left underline decoration-line" onClick={() => pick(x.keys[0] ?? "")}>{x.keys[0] || "none"}</button> },
    { head: "Spend", right: true, cell: (x) => usd(x.cost) },
    { head: "Share", right: true, cell: (x) => (total.cost === "0" ? "—" : Number((BigInt(x.cost) * 1000n) / BigInt(total.cost)) / 10 + "\u202f%") },
    { head: "Change", right: true, cell: (x) => change(x.cost, old.get(x.keys[0]) ?? "0") || "new" },
    { head: "Calls", right: true, cell: (x) => <Link className="underline decoration-line" href={calls(x.keys[0] ?? "")}>{count(x.calls)}</Link> },
    { head: "Refused", right: true, cell: (x) => count(x.refused) },
    { head: "Downgraded", right: true, cell: (x) => count(x.downgraded) },
    { head: "Estimated", right: true, cell: (x) => count(x.estimated) },
    { head: "Input", right: true, cell: (x) => compact(x.input_tokens) },
    { head: "Output", right: true, cell: (x) => compact(x.output_tokens) },
  ]} />;
}

/** A spreadsheet runs cells that begin like a formula: a quote before them keeps them text. */
const cell = (text: string) => `"${(/^[=+\-@\t\r]/.test(text) ? "'" + text : text).replace(/"/g, '""')}"`;

function Save({ query, name, head }: { query: { params: { query: { from: string; to: string; by: string[]; filter: string[]; limit: number } } }; name: string; head: string[] }) {
  const [error, setError] = useState<Error | null>(null);
  const save = async () => {
    try {
      const u = await unwrap(api.GET("/api/v1/usage", query));
      const lines = [[...head, "calls", "refused", "downgraded", "estimated", "input_tokens", "output_tokens", "cost_usd"].join(",")];
      for (const r of u.rows) lines.push([...(r.keys ?? []).map(cell), r.calls, r.refused, r.downgraded, r.estimated, r.input_tokens, r.output_tokens, usd(r.cost, 9).replace(/[$,]/g, "").replace("−", "-")].join(","));
      const url = URL.createObjectURL(new Blob([lines.join("\n") + "\n"], { type: "text/csv" }));
      Object.assign(document.createElement("a"), { href: url, download: name }).click();
      URL.revokeObjectURL(url);
      setError(u.more ? new Error("The file has the first 10,000 groups; sentinel export csv has all.") : null);
    } catch (e) {
      setError(e as Error);
    }
  };
  return <><Button onClick={save}><Download className="size-4" aria-hidden /> CSV</Button><Fault error={error} /></>;
}
