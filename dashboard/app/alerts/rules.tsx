"use client";

import { right, Table } from "@/components/table";
import { Badge, Button, Card, Fault, Listed, Loaded, Name, When } from "@/components/ui";
import { api, unwrap, useApi, useList, useMay, type Schemas } from "@/lib/api";
import { count } from "@/lib/money";
import { ago } from "@/lib/time";
import { useMutation } from "@tanstack/react-query";

/** Rules shows what opens incidents and whom that tells, and sends samples. */
export function Rules() {
  const list = useApi(["alert rules"], () => api.GET("/api/v1/alerts/rules"), 5_000);
  return (
    <Loaded of={list} empty={(l) => !l?.length && "The policy has no channel yet: add alerts.channels."}>
      {(l) => <ul className="space-y-3">{(l ?? []).map((r) => <li key={r.name}><Rule r={r} /></li>)}</ul>}
    </Loaded>
  );
}

function Rule({ r }: { r: Schemas["AlertRule"] }) {
  const may = useMay("operator");
  const test = useMutation({ mutationFn: () => unwrap(api.POST("/api/v1/alerts/rules/{name}/test", { params: { path: { name: r.name } } })) });
  const answers: Schemas["Sampled"][] = test.data ?? [];
  return (
    <Card title={r.name} aside={<><Badge>{r.severity}</Badge>{may && <Button disabled={test.isPending} aria-label={`Send a sample of ${r.name}`} onClick={() => test.mutate()}>Send a sample</Button>}</>}>
      <p className="text-sm">on {r.on} when <code className="font-mono text-xs">{r.when}</code></p>
      <p className="mt-1 text-xs text-muted">
        tells {r.to.join(", ") || "nobody"}{r.escalates.map((s) => ` · after ${s.after_seconds >= 60 ? `${Math.round(s.after_seconds / 60)} min` : `${s.after_seconds} s`} ${s.to.join(", ")}`).join("")}
        {r.judged && ` · ${count(r.facts)} facts looked at ${ago(r.judged)}`}
      </p>
      {r.firing.length > 0 && <p className="mt-1 text-sm break-words text-bad">fires for {r.firing.join(", ")}</p>}
      <Fault error={test.error} />
      {answers.length > 0 && (
        <ul className="mt-3 space-y-1 border-t border-line pt-3 text-sm" aria-label={`Answers to the sample of ${r.name}`}>
          {answers.map((a) => <li key={a.channel} className={a.fault ? "break-words text-bad" : undefined}>{a.channel}: {a.fault || "taken"} <span className="text-muted">({Math.round(a.duration_ms)} ms)</span></li>)}
        </ul>
      )}
    </Card>
  );
}

/** Messages shows what channels took, and what they did not. */
export function Messages() {
  const list = useList(["alert messages"], (cursor) => api.GET("/api/v1/alerts/messages", { params: { query: { limit: 50, cursor } } }), 5_000);
  return (
    <Card title="Messages">
      <Listed of={list} rows={(p) => p.messages} empty="Nothing was sent yet.">
        {(l) => (
          <Table caption="Messages" rows={l} id={(m) => m.id} columns={[
            { header: "When", cell: ({ row: { original: m } }) => <When at={m.created} /> },
            { header: "Channel", accessorKey: "channel" },
            { header: "About", cell: ({ row: { original: m } }) => <><Name>{m.group}</Name><span className="block text-xs text-muted">{m.kind}</span></> },
            { header: "State", cell: ({ row: { original: m } }) => <Badge>{m.state}</Badge> },
            { header: "Attempts", meta: right, cell: ({ row: { original: m } }) => count(m.attempts) },
            { header: "Fault", accessorKey: "fault" },
          ]} />
        )}
      </Listed>
    </Card>
  );
}

/** Evaluations shows when causes began and ended. */
export function Evaluations() {
  const list = useList(["alert evaluations"], (cursor) => api.GET("/api/v1/alerts/evaluations", { params: { query: { limit: 50, cursor } } }), 5_000);
  return (
    <Card title="Evaluations" aside="of every process, for as long as incidents are kept">
      <Listed of={list} rows={(p) => p.evaluations} empty="No cause has begun yet.">
        {(l) => (
          <Table caption="Evaluations" rows={l} id={(e, i) => e.at + i} columns={[
            { header: "When", cell: ({ row: { original: e } }) => <When at={e.at} /> },
            { header: "Rule", accessorKey: "rule" },
            { header: "Scope", accessorKey: "scope" },
            { id: "state", header: "", cell: ({ row: { original: e } }) => <Badge>{e.again ? "began again" : e.firing ? "began" : "ended"}</Badge> },
            { header: "What", accessorKey: "title" },
          ]} />
        )}
      </Listed>
    </Card>
  );
}
