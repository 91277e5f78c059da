"use client";

import { Filters, useFilters } from "@/components/filters";
import { PeriodChoice, usePeriod } from "@/components/period";
import { right, Table } from "@/components/table";
import { Badge, Card, Input, Listed, Loaded, Modal, Name, Page } from "@/components/ui";
import { api, useApi, useList, type Schemas } from "@/lib/api";
import { count, usd } from "@/lib/money";
import { moment } from "@/lib/time";
import { useAddress } from "@/lib/url";
import { useState } from "react";

export default function CallsPage() {
  const [address, set] = useAddress();
  const id = address.get("id") ?? "", period = usePeriod("day"), [filter, setFilter] = useFilters();
  const [draft, setDraft] = useState("");
  const from = period.dates ? undefined : timeOf(address.get("from")), to = period.dates ? undefined : timeOf(address.get("to"));
  const pages = useList(["ledger", "calls", period.key, from, to, filter], (cursor) => {
    const r = period.range();
    const end = period.dates || period.name === "last" ? r.to : new Date(Date.now() + 60_000);
    return api.GET("/api/v1/calls", { params: { query: { from: from ?? r.from.toISOString(), to: to ?? end.toISOString(), filter, cursor, limit: 100 } } });
  });
  return (
    <Page title="Calls" lead="Every call on the ledger, with its verdict and what it cost. What was asked and answered is not kept."
      aside={
        <>
          <PeriodChoice period={period} />
          <form onSubmit={(e) => { e.preventDefault(); if (draft.includes(":")) { setFilter([...filter, draft]); setDraft(""); } }}>
            <Input aria-label="Filter" placeholder="service:checkout" value={draft} onChange={(e) => setDraft(e.target.value)} className="w-52" />
          </form>
        </>
      }>
      <Filters />
      {from && to && <p className="text-sm text-muted">From {moment(from)} until {moment(to)}.</p>}
      <Card>
        <Listed of={pages} rows={(p) => p.calls} empty="No call fits.">
          {(rows) => (
            <Table caption="Calls, newest first" rows={rows} id={(c) => c.id + c.attempt} onRow={(c) => set({ id: c.id })} columns={[
              { header: "When", cell: ({ row: { original: c } }) => <button type="button" className="cursor-pointer whitespace-nowrap underline decoration-line" onClick={() => set({ id: c.id })}>{moment(c.at)}</button> },
              { header: "Service", cell: ({ row: { original: c } }) => <><Name>{c.service}</Name><Name className="text-xs text-muted">{c.team}</Name></> },
              { header: "Provider", cell: ({ row: { original: c } }) => <><Name>{c.provider}</Name><Name className="text-xs text-muted">{c.endpoint}</Name></> },
              { header: "Model", cell: ({ row: { original: c } }) => c.model || "—" },
              { header: "Verdict", cell: ({ row: { original: c } }) => <><Badge>{c.action}</Badge> <span className="text-xs text-muted">{c.reason}</span></> },
              { header: "Status", meta: right, cell: ({ row: { original: c } }) => c.status || "—" },
              { header: "Time", meta: right, cell: ({ row: { original: c } }) => count(Math.round(c.duration_ms)) + " ms" },
              { header: "Cost", meta: right, cell: ({ row: { original: c } }) => <>{usd(c.cost)}{c.method && <span title={"estimated: " + c.method}> ≈</span>}</> },
            ]} />
          )}
        </Listed>
      </Card>
      <Modal open={id !== ""} onClose={() => set({ id: undefined })} title="Call"><One id={id} /></Modal>
    </Page>
  );
}

/** timeOf keeps a time of the address that is one. */
const timeOf = (text: string | null) => (text && !Number.isNaN(Date.parse(text)) ? new Date(text).toISOString() : undefined);

function One({ id }: { id: string }) {
  const call = useApi(["call", id], () => api.GET("/api/v1/calls/{id}", { params: { path: { id } } }));
  return <Loaded of={call}>{(c) => <div className="space-y-4">{c.calls.map((one) => <Details key={one.attempt} c={one} />)}</div>}</Loaded>;
}

function Details({ c }: { c: Schemas["Call"] }) {
  const rows: [string, React.ReactNode][] = [
    ["Id", <span key="id" className="font-mono text-xs break-all">{c.id}</span>], ["When", moment(c.at)], ["Caller", <Name key="w">{`${c.team} / ${c.service}`}</Name>], ["Provider", <Name key="p">{`${c.provider} ${c.endpoint}`}</Name>],
    ["Model", <Name key="m">{c.asked && c.asked !== c.model ? `${c.model}, asked for ${c.asked}` : c.model || "—"}</Name>], ["Verdict", <><Badge key="b">{c.action}</Badge> {c.reason}</>], ["Status", c.status || "nobody saw it"],
    ["Cost", <strong key="c">{usd(c.cost, 9)}</strong>], ["Usage", Object.entries(c.usage).map(([k, n]) => `${count(n)} ${k.replaceAll("_", " ")}`).join(", ") || "none"],
    ["Witness", c.method ? `${c.source}, estimated by ${c.method}` : c.source], ...(c.own ? [["Own count", `${count(c.own.input_tokens)} in, ${count(c.own.output_tokens)} out`] as [string, string]] : []), ["First byte", c.first_byte_ms ? `${c.first_byte_ms.toFixed(1)} ms` : "—"], ["Duration", `${c.duration_ms.toFixed(1)} ms`],
    ["Price", c.price_version || "—"], ["Policy", c.policy_version],
  ];
  return <dl className="grid grid-cols-[6rem_1fr] gap-x-4 gap-y-2 text-sm">{rows.map(([k, v]) => <div key={k} className="contents"><dt className="text-muted">{k}</dt><dd className="min-w-0">{v}</dd></div>)}</dl>;
}
