"use client";

import { Button, Card, Fault, Field, Input, Loaded, Modal, Page, Table } from "@/components/ui";
import { api, unwrap, useApi, useMay, useRefresh, type Schemas } from "@/lib/api";
import { difference } from "@/lib/difference";
import { count, usd } from "@/lib/money";
import { useMutation, useQuery } from "@tanstack/react-query";
import { useDeferredValue, useState } from "react";

export default function PolicyPage() {
  const policy = useApi(["policy"], () => api.GET("/api/v1/policy"));
  return (
    <Page title="Policy" lead={policy.data && <>Version <code className="font-mono">{policy.data.version}</code> is in force{policy.data.masked && ", the services' tokens are masked"}. A published policy takes effect on the next call; counters go on.</>}>
      <Loaded of={policy}>{(p) => <Editor key={p.version} {...p} />}</Loaded>
    </Page>
  );
}

function Editor({ version, text, file, managed }: Schemas["Policy"]) {
  const refresh = useRefresh();
  const may = useMay("admin") && !managed;
  const [draft, setDraft] = useState(text), [asking, setAsking] = useState(false), [reason, setReason] = useState("");
  const settled = useDeferredValue(draft);
  const check = useQuery({ queryKey: ["check", settled], queryFn: () => unwrap(api.POST("/api/v1/policy/check", { body: { text: settled } })), enabled: settled !== text, staleTime: Infinity, gcTime: 10_000 });
  const publish = useMutation({
    mutationFn: () => unwrap(api.PUT("/api/v1/policy", { params: { header: { "If-Match": `"${version}"` } }, body: { text: draft, reason } })),
    onSuccess: () => { setAsking(false); refresh("policy", "ledger", "audit", "settings"); },
  });
  const faults = check.data?.faults ?? [];
  const warnings = check.data?.warnings ?? [];
  const changed = draft !== text;
  return (
    <div className="grid gap-4 xl:grid-cols-2">
      <Card title={<span className="break-all">{file}</span>} aside={may && changed && <><Button onClick={() => setDraft(text)}>Take back</Button><Button kind="main" disabled={faults.length > 0 || check.isFetching} onClick={() => setAsking(true)}>Publish …</Button></>}>
        <textarea aria-label="Policy" aria-invalid={faults.length > 0} readOnly={!may} spellCheck={false} value={draft} onChange={(e) => setDraft(e.target.value)} className="h-[32rem] w-full resize-y rounded-md border border-line bg-page p-3 font-mono text-xs leading-5" />
      </Card>
      <Card title={changed ? "What changes" : "Check"}>
        <div aria-live="polite" className="space-y-3">
          {managed && <p className="text-sm">This policy is a folder with a source of its own, such as a Git checkout: commit a change there. Here it is read only.</p>}
          {!changed && !managed && <p className="text-sm text-muted">Edit the policy: its faults and what changes show here before anything takes effect.</p>}
          <Fault error={check.error} />
          {faults.length > 0 && <ul role="alert" className="space-y-1 font-mono text-xs text-bad">{faults.map((f) => <li key={f}>{f}</li>)}</ul>}
          {changed && warnings.length > 0 && <ul className="space-y-1 font-mono text-xs text-warn">{warnings.map((w) => <li key={w}>{w}</li>)}</ul>}
          {changed && faults.length === 0 && check.data && <p className="text-sm text-good">It compiles, as version {check.data.version}.</p>}
          {changed && (
            <pre className="max-h-[28rem] overflow-auto rounded-md border border-line bg-page p-3 font-mono text-xs leading-5" tabIndex={0}>
              {difference(text, draft).map((l, i) => <div key={i} className={l.mark === "+" ? "text-good" : l.mark === "-" ? "text-bad" : "text-muted"}>{l.mark} {l.text}</div>)}
            </pre>
          )}
        </div>
      </Card>
      {changed && faults.length === 0 && <Simulation key={draft} text={draft} />}
      <Modal open={asking} onClose={() => setAsking(false)} title="Publish the policy">
        <form className="space-y-4" onSubmit={(e) => { e.preventDefault(); publish.mutate(); }}>
          <Field label="Reason" hint="It is on the audit chain, with your name."><Input required maxLength={500} value={reason} onChange={(e) => setReason(e.target.value)} autoFocus /></Field>
          <Fault error={publish.error} />
          <Button kind="main" type="submit" disabled={publish.isPending || !reason.trim()}>Publish</Button>
        </form>
      </Modal>
    </div>
  );
}

/** Simulation asks what the draft would have done to the calls of the last week. */
function Simulation({ text }: { text: string }) {
  const run = useMutation({
    mutationFn: () => unwrap(api.POST("/api/v1/policy/simulate", { body: { text, from: new Date(Date.now() - 7 * 86_400_000).toISOString(), to: new Date().toISOString() } })),
  });
  const r = run.data;
  return (
    <Card className="xl:col-span-2" title="What would this have done in the last seven days?" aside={<Button disabled={run.isPending} onClick={() => run.mutate()}>{run.isPending ? "Judging recorded calls …" : "Simulate"}</Button>}>
      <div aria-live="polite" className="space-y-4">
        <Fault error={run.error} />
        {!r && !run.error && <p className="text-sm text-muted">Recorded calls are judged again by the code that judges live ones, with this policy and with the one in force.</p>}
        {r && (
          <>
            <p className="text-sm">{count(r.different)} of {count(r.now.calls)} calls are judged otherwise. Spend avoided: <strong>{usd(r.avoided, 2)}</strong>.{r.estimated > 0 && ` What ${count(r.estimated)} refused calls would have used is estimated.`}</p>
            <Table caption="Recorded, now and then" rows={[{ name: "recorded", ...r.recorded }, { name: "policy in force", ...r.now }, { name: "this draft", ...r.then }]} id={(x) => x.name} columns={[
              { head: "Side", cell: (x) => x.name }, { head: "Calls", right: true, cell: (x) => count(x.calls) }, { head: "Refused", right: true, cell: (x) => count(x.refused) },
              { head: "Downgraded", right: true, cell: (x) => count(x.downgraded) }, { head: "Spend", right: true, cell: (x) => usd(x.cost, 2) },
            ]} />
            <Table caption="Teams" rows={r.teams} id={(x) => x.name} columns={[
              { head: "Team", cell: (x) => x.name }, { head: "Refused now", right: true, cell: (x) => count(x.now.refused) }, { head: "Refused then", right: true, cell: (x) => count(x.then.refused) },
              { head: "Spend now", right: true, cell: (x) => usd(x.now.cost, 2) }, { head: "Spend then", right: true, cell: (x) => usd(x.then.cost, 2) },
            ]} />
            {Object.keys(r.limits).length > 0 && <p className="text-sm text-muted">Limits that decide then: {Object.entries(r.limits).map(([k, n]) => `${k} (${count(n)})`).join(", ")}</p>}
          </>
        )}
      </div>
    </Card>
  );
}
