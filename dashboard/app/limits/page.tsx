"use client";

import { right, Table } from "@/components/table";
import { Button, Card, Fault, Field, Input, Loaded, Meter, Modal, Page, Select } from "@/components/ui";
import { api, unwrap, useApi, useMay, useRefresh, type Schemas } from "@/lib/api";
import { amount, usd } from "@/lib/money";
import { ago, moment, shortMoment } from "@/lib/time";
import { useAddress } from "@/lib/url";
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { LimitHistory } from "./history";

type Limit = Schemas["Limit"];

export default function LimitsPage() {
  const [address, set] = useAddress();
  const scope = address.get("scope") ?? "";
  const limits = useApi(["ledger", "limits"], () => api.GET("/api/v1/limits"), 3_000);
  const ends = useApi(["forecast"], () => api.GET("/api/v1/limits/forecast"), 300_000);
  const end = (x: Limit) => ends.data?.find((f) => f.cell === x.cell);
  const may = useMay("team-admin");
  const [chosen, setChosen] = useState<Limit>(), [told, setTold] = useState<Limit>();
  return (
    <Page title="Budgets and limits" lead="What each limit of the policy counts now, calls in flight included. An override holds for a time and ends by itself."
      aside={<Select aria-label="Scope" value={scope} onChange={(e) => set({ scope: e.target.value })}>{["", "org", "team", "service", "provider", "rule"].map((s) => <option key={s} value={s}>{s || "every scope"}</option>)}</Select>}>
      <Card>
        <Loaded of={limits} empty={(l) => !l?.length && "The policy has no limit yet."}>
          {(l) => (
            <Table caption="Limits" rows={(l ?? []).filter((x) => !scope || x.scope === scope)} id={(x) => x.cell} sort="sort" columns={[
              { id: "limit", header: "Limit", accessorKey: "name", cell: ({ row: { original: x } }) => <>{x.name}<span className="block font-mono text-xs text-muted">{x.cell}</span></> },
              { id: "use", header: "Use", accessorKey: "share", cell: ({ row: { original: x } }) => <div className="w-28 sm:w-40"><Meter share={x.share} label={x.name} /><span className="mt-1 block text-xs text-muted">{Math.round(x.share * 100)} %{x.soft && ", soft"}</span></div> },
              { header: "Used", meta: right, cell: ({ row: { original: x } }) => amount(x.measure, x.used) },
              { header: "In flight", meta: right, cell: ({ row: { original: x } }) => amount(x.measure, x.held) },
              { header: "Max", meta: right, cell: ({ row: { original: x } }) => <>{amount(x.measure, x.max)}{x.override && <span className="block text-xs text-warn" title={`${x.override.by}: ${x.override.why}`}>override until {moment(x.override.until)}</span>}</> },
              { header: "Window", meta: right, cell: ({ row: { original: x } }) => <span className="whitespace-nowrap text-muted">{x.end ? "ends " + ago(x.end) : x.seconds ? `per ${x.seconds} s` : "at once"}</span> },
              { id: "used-up", header: "Used up", meta: right, accessorFn: (x) => end(x)?.runs_out, cell: ({ row: { original: x } }) => <UsedUp of={end(x)} /> },
              { id: "actions", header: "", meta: right, cell: ({ row: { original: x } }) => (
                <span className="inline-flex gap-2">
                  <Button aria-label={`History of ${x.name}`} onClick={() => setTold(x)}>History</Button>
                  {may && <Button onClick={() => setChosen(x)}>Change</Button>}
                </span>
              ) },
            ]} />
          )}
        </Loaded>
      </Card>
      <Modal open={!!told} onClose={() => setTold(undefined)} title={`History of ${told?.name}`}>{told && <LimitHistory limit={told} />}</Modal>
      <Modal open={!!chosen} onClose={() => setChosen(undefined)} title={chosen?.name ?? ""}>{chosen && <Change limit={chosen} done={() => setChosen(undefined)} />}</Modal>
    </Page>
  );
}

/** UsedUp says when a budget is expected to be used up: with even odds, and from when to when 80 and 95 of 100 times. */
function UsedUp({ of: f }: { of?: Schemas["BudgetForecast"] }) {
  if (!f) return null;
  if (!f.known) return <span className="text-xs text-muted" title={f.reason}>not known</span>;
  const span = (first?: string, last?: string) => (first ? `${shortMoment(first)} to ${last ? shortMoment(last) : "after its end"}` : "not within its window");
  const title = `80 of 100 times: ${span(f.runs_out_first80, f.runs_out_last80)}; 95 of 100 times: ${span(f.runs_out_first95, f.runs_out_last95)}. At its end ${usd(f.mean, 2)}, 80 of 100 times ${usd(f.lo80, 2)} to ${usd(f.hi80, 2)}, 95 of 100 times ${usd(f.lo95, 2)} to ${usd(f.hi95, 2)}.`;
  return (
    <span className="whitespace-nowrap" title={title}>
      {f.runs_out ? <span className="text-warn">{shortMoment(f.runs_out)}</span> : <span className="text-muted">lasts</span>}
      <span className="block text-xs text-muted">{f.runs_out_first80 ? `80 %: from ${shortMoment(f.runs_out_first80)}` : "80 %: lasts"}</span>
    </span>
  );
}

const nano = (dollars: string) => {
  const [whole = "0", rest = ""] = dollars.split(".");
  return (BigInt(whole || "0") * 1_000_000_000n + BigInt((rest + "000000000").slice(0, 9))).toString();
};

function Change({ limit, done }: { limit: Limit; done: () => void }) {
  const refresh = useRefresh();
  const operator = useMay("operator");
  const [max, setMax] = useState(""), [hours, setHours] = useState("24"), [why, setWhy] = useState("");
  const money = limit.measure === "cost";
  const sound = (money ? /^\d{1,9}(\.\d{1,9})?$/ : /^\d{1,15}$/).test(max) && why.trim() !== "";
  const act = useMutation({
    mutationFn: async (what: "override" | "end" | "reset") => {
      if (what === "override") await unwrap(api.PUT("/api/v1/limits/override", { params: { header: { "If-Match": limit.etag } }, body: { cell: limit.cell, max: money ? nano(max) : max, until: new Date(Date.now() + Number(hours) * 3_600_000).toISOString(), why } }));
      if (what === "end") await unwrap(api.DELETE("/api/v1/limits/override", { params: { query: { cell: limit.cell }, header: { "If-Match": limit.etag } } }));
      if (what === "reset") await unwrap(api.POST("/api/v1/limits/reset", { body: { cell: limit.cell } }));
    },
    onSuccess: () => { refresh("ledger", "forecast", "audit"); done(); },
  });
  return (
    <div className="space-y-4">
      <p className="text-sm text-muted">{amount(limit.measure, limit.used)} of {amount(limit.measure, limit.max)} used.</p>
      <form className="space-y-4" onSubmit={(e) => { e.preventDefault(); act.mutate("override"); }}>
        <Field label={money ? "New amount, US dollars" : "New amount"}><Input inputMode="decimal" required value={max} onChange={(e) => setMax(e.target.value)} autoFocus /></Field>
        <Field label="For"><Select value={hours} onChange={(e) => setHours(e.target.value)}><option value="1">one hour</option><option value="24">one day</option><option value="168">one week</option><option value="720">30 days</option></Select></Field>
        <Field label="Why" hint="For those who find it; it is on the audit chain."><Input required maxLength={500} value={why} onChange={(e) => setWhy(e.target.value)} /></Field>
        <Fault error={act.error} />
        <div className="flex flex-wrap gap-2">
          <Button kind="main" type="submit" disabled={!sound || act.isPending}>Override</Button>
          {limit.override && <Button onClick={() => act.mutate("end")}>End the override</Button>}
          {operator && limit.kind !== "concurrent" && <Button kind="danger" onClick={() => confirm(`Forgive what ${limit.name} has counted?`) && act.mutate("reset")}>Reset the count</Button>}
        </div>
      </form>
    </div>
  );
}
