"use client";

import { mono, right, Table, type Context } from "@/components/table";
import { Badge, Button, Card, Fault, Field, Input, Listed, Modal, Name, Select } from "@/components/ui";
import { api, unwrap, useList, useMay, useRefresh, useSettings, type Schemas } from "@/lib/api";
import { ago, moment } from "@/lib/time";
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";

type Token = Schemas["ServiceToken"];
type Asked = { what: "issue" } | { what: "rotate" | "revoke"; token: Token };

/** Tokens are those that were issued to services: admins issue, rotate and revoke them, operators look. */
export function Tokens({ service }: { service: string }) {
  const may = useMay("admin");
  const list = useList(["service-tokens", service], (cursor) => api.GET("/api/v1/service-tokens", { params: { query: { service: service || undefined, limit: 50, cursor } } }));
  const [asked, setAsked] = useState<Asked>();
  const titles = { issue: "Issue a token", rotate: "Rotate the token", revoke: "Revoke the token" };
  return (
    <Card title="Service tokens" aside={may && <Button onClick={() => setAsked({ what: "issue" })}>Issue</Button>}>
      <Listed of={list} rows={(p) => p.tokens} empty="No token was issued yet. Services may also have tokens of the policy.">
        {(l) => (
          <Table caption="Service tokens" rows={l} id={(t) => t.id} columns={[
            { header: "Service", cell: ({ row: { original: t } }) => <><Name>{t.service}</Name><Name className="text-xs text-muted">{t.label}</Name></> },
            { header: "Id", accessorKey: "id", meta: mono },
            { header: "State", cell: ({ row: { original: t } }) => <><Badge>{t.state}</Badge>{t.state === "rotating" && <span className="block text-xs text-muted">the one before ends {ago(t.previous_until)}</span>}</> },
            { header: "Age", cell: ({ row: { original: t } }) => <span title={moment(t.rotated ?? t.created)}>{t.rotated ? "rotated " : "issued "}{ago(t.rotated ?? t.created)}<Name className="text-xs text-muted">{`by ${t.by}`}</Name></span> },
            { header: "Expires", cell: ({ row: { original: t } }) => (t.revoked ? `revoked ${ago(t.revoked)}` : t.expires ? <span title={moment(t.expires)}>{ago(t.expires)}</span> : "never") },
            ...(may ? [{ id: "actions", header: "Change", meta: right, cell: ({ row: { original: t } }: Context<Token>) => (t.state === "active" || t.state === "rotating") && (
              <span className="inline-flex gap-2">
                <Button aria-label={`Rotate ${t.id}`} onClick={() => setAsked({ what: "rotate", token: t })}>Rotate</Button>
                <Button kind="danger" aria-label={`Revoke ${t.id}`} onClick={() => setAsked({ what: "revoke", token: t })}>Revoke</Button>
              </span>
            ) }] : []),
          ]} />
        )}
      </Listed>
      <Modal open={!!asked} onClose={() => setAsked(undefined)} title={asked ? titles[asked.what] : ""}>{asked && <Act asked={asked} service={service} done={() => setAsked(undefined)} />}</Modal>
    </Card>
  );
}

function Act({ asked, service, done }: { asked: Asked; service: string; done: () => void }) {
  const refresh = useRefresh();
  const settings = useSettings();
  const [name, setName] = useState(service), [label, setLabel] = useState(""), [days, setDays] = useState("90"), [grace, setGrace] = useState("86400");
  const act = useMutation({
    mutationFn: async (): Promise<Schemas["NewServiceToken"] | undefined> => {
      if (asked.what === "issue") return unwrap(api.POST("/api/v1/service-tokens", { body: { service: name || settings.data?.services[0]?.name || "", label, days: Number(days) } }));
      const at = { params: { path: { id: asked.token.id } } };
      if (asked.what === "rotate") return unwrap(api.POST("/api/v1/service-tokens/{id}/rotate", { ...at, body: { grace_seconds: Number(grace) } }));
      await unwrap(api.DELETE("/api/v1/service-tokens/{id}", at));
    },
    onSuccess: (made) => { refresh("service-tokens", "audit"); if (!made) done(); },
  });
  if (act.data) return <Made made={act.data} done={done} />;
  return (
    <form className="space-y-4" onSubmit={(e) => { e.preventDefault(); act.mutate(); }}>
      {asked.what !== "issue" && <p className="text-sm text-muted">{asked.token.id} of {asked.token.service}{asked.token.label && `, ${asked.token.label}`}</p>}
      {asked.what === "issue" && (
        <>
          <Field label="Service"><Select value={name} onChange={(e) => setName(e.target.value)}>{settings.data?.services.map((s) => <option key={s.name}>{s.name}</option>)}</Select></Field>
          <Field label="What it is for"><Input maxLength={100} value={label} onChange={(e) => setLabel(e.target.value)} autoFocus /></Field>
          <Field label="Good for"><Select value={days} onChange={(e) => setDays(e.target.value)}><option value="30">30 days</option><option value="90">90 days</option><option value="365">one year</option><option value="0">until it is revoked</option></Select></Field>
        </>
      )}
      {asked.what === "rotate" && <Field label="The one before stays good for" hint="Time to roll the new one out without a failed call."><Select value={grace} onChange={(e) => setGrace(e.target.value)}><option value="0">no time: it ends now</option><option value="3600">one hour</option><option value="86400">one day</option><option value="604800">one week</option></Select></Field>}
      {asked.what === "revoke" && <p className="text-sm">It ends in every gateway process within 5 seconds, and does not come back.</p>}
      <Fault error={act.error} />
      <Button kind={asked.what === "revoke" ? "danger" : "main"} type="submit" disabled={act.isPending}>{asked.what === "issue" ? "Issue it" : asked.what === "rotate" ? "Rotate it" : "Revoke it"}</Button>
    </form>
  );
}

function Made({ made, done }: { made: Schemas["NewServiceToken"]; done: () => void }) {
  return (
    <div className="space-y-4" aria-live="polite">
      <p className="text-sm">Copy it now, it is not shown again:</p>
      <code className="block rounded-md border border-line bg-page p-3 font-mono text-xs break-all">{made.token}</code>
      <div className="flex gap-2"><Button onClick={() => navigator.clipboard.writeText(made.token)}>Copy</Button><Button kind="main" onClick={done}>Done</Button></div>
    </div>
  );
}
