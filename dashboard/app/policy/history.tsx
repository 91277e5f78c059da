"use client";

import { mono, right, Table } from "@/components/table";
import { Badge, Button, Card, Fault, Field, Input, Listed, Loaded, Modal, When } from "@/components/ui";
import { api, unwrap, useApi, useList, useMay, useRefresh, useSession, type Schemas } from "@/lib/api";
import { count } from "@/lib/money";
import { moment } from "@/lib/time";
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";

/** What another policy changes. */
export const touched = ["policy", "proposals", "versions", "processes", "ledger", "forecast", "shadows", "audit", "settings"];

/** Difference shows what one version says otherwise than another: by keys, and by lines. */
function Difference({ from, to }: { from: string; to: string }) {
  const diff = useApi(["versions", "diff", from, to], () => api.GET("/api/v1/policy/diff", { params: { query: { from, to } } }));
  return (
    <Loaded of={diff} empty={(d) => !d.text && "Nothing differs."}>
      {(d) => (
        <div className="space-y-3">
          {d.changes.length > 0 && <Table caption="Keys that differ" rows={d.changes} id={(x) => x.key} columns={[{ header: "Key", meta: mono, accessorKey: "key" }, { header: "Was", meta: mono, accessorKey: "was" }, { header: "Is", meta: mono, accessorKey: "is" }]} />}
          <pre className="max-h-72 overflow-auto rounded-md border border-line bg-page p-3 font-mono text-xs leading-5" tabIndex={0}>
            {d.text.split("\n").map((l, i) => <div key={i} className={l.startsWith("+") ? "text-good" : l.startsWith("-") ? "text-bad" : "text-muted"}>{l}</div>)}
          </pre>
        </div>
      )}
    </Loaded>
  );
}

/** Proposals wait for a second person. */
export function Proposals() {
  const list = useApi(["proposals"], () => api.GET("/api/v1/policy/proposals", { params: { query: { limit: 100 } } }), 10_000);
  return <>{list.data?.proposals.filter((p) => p.state === "waiting").map((p) => <Proposal key={p.id} {...p} />)}</>;
}

function Proposal({ id, version, was, author, reason, at }: Schemas["Proposal"]) {
  const refresh = useRefresh(), session = useSession(), admin = useMay("admin");
  const [note, setNote] = useState("");
  const decide = useMutation({
    mutationFn: (approve: boolean) => unwrap(api.POST("/api/v1/policy/proposals/{id}", { params: { path: { id } }, body: { approve, note } })),
    onSuccess: () => refresh(...touched),
  });
  const own = session.data?.name === author;
  return (
    <Card title={`Proposal ${id} waits for a second person`} aside={<>{author}, {moment(at)}</>}>
      <div className="space-y-3">
        <p className="text-sm">{reason}</p>
        <Difference from={was} to={version} />
        {admin && (
          <div className="flex flex-wrap items-end gap-2">
            <div className="min-w-48 flex-1"><Field label="Note"><Input maxLength={500} value={note} onChange={(e) => setNote(e.target.value)} /></Field></div>
            {!own && <Button kind="main" disabled={decide.isPending} onClick={() => decide.mutate(true)}>Approve and publish</Button>}
            <Button kind="danger" disabled={decide.isPending} onClick={() => decide.mutate(false)}>{own ? "Take back" : "Reject"}</Button>
          </div>
        )}
        <Fault error={decide.error} />
      </div>
    </Card>
  );
}

/** Shadows counts what rules in shadow, or the candidate, would have made something else of. */
export function Shadows() {
  const list = useApi(["shadows"], () => api.GET("/api/v1/policy/shadow", { params: { query: { from: new Date(Math.floor(Date.now() / 3_600_000) * 3_600_000 - 7 * 86_400_000).toISOString(), limit: 20 } } }), 30_000);
  return (
    <Card title="What shadows would have done in the last seven days" aside={list.data?.candidate && <>candidate <code className="font-mono">{list.data.candidate}</code></>}>
      <Loaded of={list} empty={(d) => d.sums.length === 0 && "No call would have met anything else: rules with mode: shadow and a candidate policy are counted here."}>
        {(d) => (
          <div className="space-y-4">
            <Table caption="Shadows" rows={d.sums} id={(x) => [x.policy, x.rule, x.live, x.shadow, x.reason].join("|")} columns={[
              { header: "Rule", cell: ({ row: { original: x } }) => x.rule || x.policy }, { header: "Policy", meta: mono, cell: ({ row: { original: x } }) => x.policy || "in force" }, { header: "Live", cell: ({ row: { original: x } }) => <Badge>{x.live}</Badge> },
              { header: "Shadow", cell: ({ row: { original: x } }) => <Badge>{x.shadow}</Badge> }, { header: "Reason", accessorKey: "reason" }, { header: "Calls", meta: right, cell: ({ row: { original: x } }) => count(x.calls) },
            ]} />
            <Table caption="The newest of these calls" rows={d.calls} id={(x) => x.id} columns={[
              { header: "At", cell: ({ row: { original: x } }) => <When at={x.at} /> }, { header: "Service", accessorKey: "service" }, { header: "Asked", accessorKey: "asked" },
              { header: "Live", accessorKey: "action" }, { header: "Shadow", cell: ({ row: { original: x } }) => x.shadows.map((y) => `${y.action} by ${y.limit || "the policy"}`).join(", ") },
            ]} />
          </div>
        )}
      </Loaded>
    </Card>
  );
}

/** History lists what was in force, and brings a version back. */
export function History({ policy }: { policy: Schemas["Policy"] }) {
  const versions = useList(["versions"], (cursor) => api.GET("/api/v1/policy/versions", { params: { query: { limit: 20, cursor } } }));
  const processes = useApi(["processes"], () => api.GET("/api/v1/policy/processes"), 10_000);
  const may = useMay("admin") && !policy.managed;
  const refresh = useRefresh();
  const [shown, setShown] = useState(""), [back, setBack] = useState(""), [reason, setReason] = useState("");
  const rollback = useMutation({
    mutationFn: () => unwrap(api.POST("/api/v1/policy/rollback", { params: { header: { "If-Match": `"${policy.version}"` } }, body: { version: back, reason } })),
    onSuccess: () => { setBack(""); setReason(""); refresh(...touched); },
  });
  return (
    <div className="grid gap-4 xl:grid-cols-[5fr_3fr]">
      <Card title="Versions">
        <Listed of={versions} rows={(p) => p.versions} empty="No policy is in force yet.">
          {(list) => (
            <Table caption="Versions" rows={list} id={(x, i) => x.version + i} columns={[
              { header: "Version", meta: mono, accessorKey: "version" }, { header: "Since", cell: ({ row: { original: x } }) => <When at={x.since} /> }, { header: "Author", accessorKey: "author" }, { header: "Reason", accessorKey: "reason" },
              { id: "actions", header: "", meta: right, cell: ({ row: { original: x } }) => x.version !== policy.version && (
                <span className="inline-flex flex-wrap justify-end gap-1">
                  <Button aria-label={`Compare ${x.version}`} onClick={() => setShown(x.version)}>Compare</Button>
                  {may && <Button aria-label={`Roll back to ${x.version}`} onClick={() => setBack(x.version)}>Roll back</Button>}
                </span>
              ) },
            ]} />
          )}
        </Listed>
      </Card>
      <Card title="Processes">
        <Loaded of={processes}>
          {(list) => (
            <Table caption="Processes" rows={list ?? []} id={(x, i) => x.host + i} columns={[
              { header: "Host", accessorKey: "host" }, { header: "Version", meta: mono, accessorKey: "version" }, { header: "State", cell: ({ row: { original: x } }) => (x.fault ? <span className="text-bad">{x.fault}</span> : <Badge>ok</Badge>) },
            ]} />
          )}
        </Loaded>
      </Card>
      <Modal open={shown !== ""} onClose={() => setShown("")} title={`From ${shown} to the policy in force`}>{shown && <Difference from={shown} to={policy.version} />}</Modal>
      <Modal open={back !== ""} onClose={() => setBack("")} title={`Roll back to ${back}`}>
        <form className="space-y-4" onSubmit={(e) => { e.preventDefault(); rollback.mutate(); }}>
          <Difference from={policy.version} to={back || policy.version} />
          <Field label="Reason" hint="It is on the audit chain, with your name. A roll-back needs no second person."><Input required maxLength={500} value={reason} onChange={(e) => setReason(e.target.value)} autoFocus /></Field>
          <Fault error={rollback.error} />
          <Button kind="main" type="submit" disabled={rollback.isPending || !reason.trim()}>Roll back</Button>
        </form>
      </Modal>
    </div>
  );
}
