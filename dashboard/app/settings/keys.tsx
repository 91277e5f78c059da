"use client";

import { mono, right, Table } from "@/components/table";
import { Badge, Button, Card, Fault, Field, Input, Listed, Loaded, Name, Select, When } from "@/components/ui";
import { api, unwrap, useApi, useList, useMay, useRefresh, type Schemas } from "@/lib/api";
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";

/** Token issues a token for scripts. */
export function Token() {
  const refresh = useRefresh();
  const [label, setLabel] = useState("");
  const issue = useMutation({ mutationFn: () => unwrap(api.POST("/api/v1/session/tokens", { body: { label, days: 90 } })), onSuccess: () => refresh("keys", "audit") });
  return (
    <Card title="Token for scripts">
      <form className="flex flex-wrap items-end gap-3" onSubmit={(e) => { e.preventDefault(); issue.mutate(); }}>
        <Field label="What it is for"><Input required maxLength={100} value={label} onChange={(e) => setLabel(e.target.value)} /></Field>
        <Button type="submit" kind="main" disabled={issue.isPending}>Issue for 90 days</Button>
      </form>
      <div aria-live="polite" className="mt-3">
        <Fault error={issue.error} />
        {issue.data && <p className="text-sm">Copy it now, it is not shown again: <code className="font-mono text-xs break-all">{issue.data.token}</code></p>}
      </div>
    </Card>
  );
}

/** Keys lists sessions and tokens that are good, and ends them. */
export function Keys() {
  const refresh = useRefresh();
  const admin = useMay("admin");
  const [whose, setWhose] = useState("");
  const pages = useList(["keys", whose], (cursor) => api.GET("/api/v1/keys", { params: { query: { account: whose || undefined, cursor, limit: 50 } } }));
  const end = useMutation({ mutationFn: (k: Schemas["Key"]) => unwrap(api.DELETE("/api/v1/keys/{id}", { params: { path: { id: k.id } } })), onSuccess: () => refresh("keys", "audit", "session") });
  return (
    <Card title="Sessions and tokens" aside={admin && <Select aria-label="Whose" value={whose} onChange={(e) => setWhose(e.target.value)}><option value="">mine</option><option value="*">everybody&apos;s</option></Select>}>
      <Fault error={end.error} />
      <Listed of={pages} rows={(p) => p.keys} empty="No session and no token is good.">
        {(rows) => (
          <Table caption="Sessions and tokens" rows={rows} id={(k) => k.id} columns={[
            { header: "Account", cell: ({ row: { original: k } }) => <>{k.account}{k.current && <span className="block text-xs text-muted">this one</span>}</> },
            { header: "Kind", cell: ({ row: { original: k } }) => <>{k.kind}<Name className="text-xs text-muted">{k.label}</Name></> },
            { header: "Since", cell: ({ row: { original: k } }) => <When at={k.created} /> },
            { header: "Until", cell: ({ row: { original: k } }) => <When at={k.expires} /> },
            { id: "actions", header: "", meta: right, cell: ({ row: { original: k } }) => <Button kind="danger" disabled={end.isPending} aria-label={`End ${k.kind} ${k.label || `of ${k.account}`}`} onClick={() => confirm(k.current ? "End this session? You are signed out." : `End it? What uses it is refused at once.`) && end.mutate(k)}>End</Button> },
          ]} />
        )}
      </Listed>
    </Card>
  );
}

/** Configuration shows what the gateway was started with, and how to change it. */
export function Configuration() {
  const of = useApi(["configuration"], () => api.GET("/api/v1/settings/configuration"));
  const [all, setAll] = useState(false), [text, setText] = useState("");
  const shown = (s: Schemas["Setting"]) => (all || s.changed || /^database\.(retention|compress_after)$/.test(s.key)) && (!text || (s.key + s.doc).toLowerCase().includes(text.toLowerCase()));
  return (
    <>
      <Card title="Channels" aside="changed in the policy, under alerts.channels">
        <Loaded of={of} empty={(c) => c.channels.length === 0 && "The policy has no channel yet: nobody is told of incidents."}>
          {(c) => (
            <Table caption="Channels" rows={c.channels} id={(x) => x.name} columns={[
              { header: "Channel", accessorKey: "name" }, { header: "Kind", cell: ({ row: { original: x } }) => <Badge>{x.kind}</Badge> }, { header: "Reaches", cell: ({ row: { original: x } }) => <span className="break-all">{x.to.join(", ") || "—"}</span> },
              { header: "Secret", cell: ({ row: { original: x } }) => x.secret || "—", meta: mono },
            ]} />
          )}
        </Loaded>
      </Card>
      <Card title="Configuration" aside={
        <>
          <Input aria-label="Find a setting" placeholder="retention" value={text} onChange={(e) => setText(e.target.value)} className="w-40" />
          <Select aria-label="Which settings" value={all ? "all" : "own"} onChange={(e) => setAll(e.target.value === "all")}><option value="own">chosen here</option><option value="all">all</option></Select>
        </>
      }>
        <p className="mb-3 text-sm text-muted">Sources of secrets, retention and addresses, as they hold in the process that answers. Change a key in sentinel.yaml and start the gateway again; secrets come from its environment, and are not shown.</p>
        <Loaded of={of} empty={(c) => !c.settings.some(shown) && "No setting fits."}>
          {(c) => (
            <Table caption="Configuration" rows={c.settings.filter(shown)} id={(s) => s.key} columns={[
              { header: "Key", cell: ({ row: { original: s } }) => <><code className="font-mono text-xs">{s.key}</code><span className="mt-0.5 block text-xs text-muted">{s.doc}</span></> },
              { header: "Value", cell: ({ row: { original: s } }) => s.value || "—", meta: mono },
            ]} />
          )}
        </Loaded>
      </Card>
    </>
  );
}
