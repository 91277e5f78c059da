"use client";

import { mono, right, Table, type Context } from "@/components/table";
import { Badge, Button, Card, Fault, Field, Input, Loaded, Modal, Name } from "@/components/ui";
import { api, unwrap, useApi, useMay, useRefresh, type Schemas } from "@/lib/api";
import { ago, moment, span } from "@/lib/time";
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";

type Credential = Schemas["Credential"];

/** titleOf names a credential as people count: the second one of a provider is (2). */
const titleOf = (c: Credential) => c.provider + (c.number > 0 ? ` (${c.number + 1})` : "");

const state = (c: Credential) => (c.quarantined ? "refused" : c.fresh ? "fresh" : "stale");

/** Credentials are the providers' own: admins rotate them, operators see how a rotation goes. */
export function Credentials() {
  const credentials = useApi(["credentials"], () => api.GET("/api/v1/credentials"), 30_000);
  const may = useMay("admin"), looks = useMay("operator");
  const [asked, setAsked] = useState<Credential>();
  return (
    <Card title="Credentials">
      <Loaded of={credentials} empty={(l) => !l?.length && "No provider has a credential."}>
        {(l) => (
          <Table caption="Credentials" rows={l ?? []} id={(c) => `${c.provider}/${c.number}`} sort="sort-credentials" columns={[
            { id: "provider", header: "Provider", accessorFn: titleOf, cell: ({ row: { original: c } }) => <>{titleOf(c)}{c.teams.length > 0 && <span className="block text-xs text-muted">for {c.teams.join(", ")}</span>}</> },
            { id: "place", header: "Place", accessorKey: "place", meta: mono },
            { id: "state", header: "State", accessorFn: state, cell: ({ row: { original: c } }) => <><Badge>{state(c)}</Badge>{c.quarantined && <span className="block text-xs text-warn">left out until {moment(c.quarantined)}</span>}</> },
            { id: "confirmed", header: "Confirmed", accessorKey: "confirmed", cell: ({ row: { original: c } }) => (c.confirmed ? <span title={moment(c.confirmed)}>{ago(c.confirmed)}</span> : "never") },
            { header: "Rotation", cell: ({ row: { original: c } }) => (c.takes === "elsewhere" ? "at its source" : c.rotate_seconds > 0 ? `every ${span(c.rotate_seconds)}` : c.rotation ? "when asked" : "by hand") },
            { id: "rotated", header: "Rotated", accessorKey: "rotated", cell: ({ row: { original: c } }) => <>{c.rotated ? <span title={moment(c.rotated)}>{ago(c.rotated)}</span> : "not here yet"}{unusual[c.rotation_state] && <span className="block text-xs text-warn">{unusual[c.rotation_state]}</span>}</> },
            ...(looks ? [{ id: "actions", header: "Change", meta: right, cell: ({ row: { original: c } }: Context<Credential>) => c.takes !== "elsewhere" && <Button aria-label={`${may ? "Rotate" : "Rotation of"} ${titleOf(c)}`} onClick={() => setAsked(c)}>{may ? "Rotate" : "Rotation"}</Button> }] : []),
          ]} />
        )}
      </Loaded>
      <Modal open={!!asked} onClose={() => setAsked(undefined)} title={asked ? `Rotate the credential of ${titleOf(asked)}` : ""}>{asked && <Rotate c={asked} may={may} />}</Modal>
    </Card>
  );
}

const unusual: Record<string, string> = { running: "being rotated now", failed: "the last rotation failed", lost: "nothing says how the last rotation ended" };

const kinds = {
  key: "The new key is set beside the one in use in Vault and tested by a real call that costs nothing. A key that its provider refuses is never used.",
  aws_key: "The new key is set beside the one in use in Vault and tested by a real call that costs nothing. A key that AWS refuses is never used.",
  nothing: "Another key is made by whom the policy names, tested by a real call, and then used. The one before stays good for a while: no call fails.",
};

function Rotate({ c, may }: { c: Credential; may: boolean }) {
  const refresh = useRefresh();
  const at = { params: { path: { provider: c.provider, number: c.number } } };
  const now = useApi(["rotation", c.provider, c.number], () => api.GET("/api/v1/credentials/{provider}/{number}/rotation", at), 2_000);
  const [key, setKey] = useState(""), [id, setId] = useState(""), [path, setPath] = useState("");
  const act = useMutation({
    mutationFn: (given: boolean) => unwrap(api.POST("/api/v1/credentials/{provider}/{number}/rotation", { ...at, body: { ...(given && key && { key }), ...(given && id && { access_key_id: id }), ...(path && { test_path: path }) } })),
    onSuccess: () => { setKey(""); setId(""); },
    onSettled: () => refresh("rotation", "credentials", "audit"),
  });
  const brings = c.takes === "key" || c.takes === "aws_key";
  const busy = act.isPending || now.data?.state === "running";
  return (
    <form className="space-y-4" autoComplete="off" onSubmit={(e) => { e.preventDefault(); act.mutate(true); }}>
      <Loaded of={now}>{(r) => <Standing r={r} />}</Loaded>
      {may && (
        <>
          <p className="text-sm text-muted">{kinds[c.takes as keyof typeof kinds]}</p>
          {c.takes === "aws_key" && <Field label="Access key id"><Input required={!!key} maxLength={128} className="font-mono" spellCheck={false} value={id} onChange={(e) => setId(e.target.value)} /></Field>}
          {brings && <Field label={c.takes === "aws_key" ? "Secret access key" : "New key"} hint="It goes to Vault and to its provider, and is not shown again."><Input required type="password" autoComplete="new-password" maxLength={16384} value={key} onChange={(e) => setKey(e.target.value)} /></Field>}
          {!c.tested && c.rotation !== "vault" && <Field label="Path of the test" hint="A GET that costs nothing and needs a good key, such as /v1/me; rotate.test in the policy saves the question."><Input required pattern="/.*" maxLength={300} className="font-mono" value={path} onChange={(e) => setPath(e.target.value)} /></Field>}
          <Fault error={act.error} />
          <div className="flex flex-wrap gap-2">
            <Button kind="main" type="submit" disabled={busy}>{busy ? "Rotating …" : "Rotate it"}</Button>
            {brings && now.data?.pending && <Button disabled={busy || (!c.tested && !path)} onClick={() => act.mutate(false)}>Go on with the key that waits</Button>}
          </div>
        </>
      )}
    </form>
  );
}

/** Standing is how a rotation goes, or how the last one ended. */
function Standing({ r }: { r: Schemas["Rotation"] }) {
  const steps = { none: "", create: "a key is made and set beside the one in use", test: "a real call tests the new key" };
  return (
    <div className="space-y-1 text-sm" aria-live="polite">
      {r.state === "never" && <p>It was not rotated here yet.</p>}
      {r.state === "running" && <p className="text-warn">It is being rotated since {moment(r.begun)} by {r.by}{r.step !== "none" && `: ${steps[r.step]}`}.</p>}
      {r.state === "done" && <p className="text-good">It was rotated {ago(r.ended)} by {r.by}.</p>}
      {r.state === "failed" && <><p className="text-bad">The rotation that {r.by} began {ago(r.begun)} failed, and the key in use stayed:</p><Name className="max-w-full text-xs">{r.fault}</Name></>}
      {r.state === "lost" && <p className="text-warn">Nothing says how the rotation that {r.by} began {ago(r.begun)} ended: the new key may be in use. Rotate again with the same key, which settles it.</p>}
      {r.pending && r.state !== "running" && <p>A key waits beside the one in use that has not shown that it works.</p>}
      {r.next && <p>{r.next}</p>}
      {r.previous_until && <p className="text-muted">The key before is kept until {moment(r.previous_until)} at most.</p>}
      {r.secret_fault && <p className="text-warn">What stands in the secret is not known: {r.secret_fault}</p>}
    </div>
  );
}
