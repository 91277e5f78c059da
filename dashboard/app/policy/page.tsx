"use client";

import { History, Proposals, Shadows, touched } from "./history";
import { Simulation } from "./simulation";
import { Suggestions } from "./suggestions";
import { Editor } from "@/components/lazy";
import { Button, Card, Fault, Field, Input, Loaded, Modal, Page } from "@/components/ui";
import { api, unwrap, useApi, useMay, useRefresh, useSettings, type Schemas } from "@/lib/api";
import type { Names, Node } from "@/lib/complete";
import { difference } from "@/lib/difference";
import { useMutation, useQuery } from "@tanstack/react-query";
import { useDeferredValue, useMemo, useState } from "react";

export default function PolicyPage() {
  const policy = useApi(["policy"], () => api.GET("/api/v1/policy"));
  return (
    <Page title="Policy" lead={policy.data && <>Version <code className="font-mono">{policy.data.version}</code> is in force{policy.data.masked && ", the services' tokens are masked"}. A published policy takes effect on the next call; counters go on.</>}>
      <Loaded of={policy}>{(p) => <><Proposals /><Draft key={p.version} {...p} /><Suggestions /><Shadows /><History policy={p} /></>}</Loaded>
    </Page>
  );
}

function Draft({ version, text, file, managed, review }: Schemas["Policy"]) {
  const refresh = useRefresh();
  const may = useMay("admin") && !managed;
  const [draft, setDraft] = useState(text), [asking, setAsking] = useState(false), [reason, setReason] = useState("");
  const settled = useDeferredValue(draft);
  const check = useQuery({ queryKey: ["check", settled], queryFn: () => unwrap(api.POST("/api/v1/policy/check", { body: { text: settled } })), enabled: settled !== text, staleTime: Infinity, gcTime: 10_000 });
  const publish = useMutation({
    mutationFn: () => unwrap(api.PUT("/api/v1/policy", { params: { header: { "If-Match": `"${version}"` } }, body: { text: draft, reason } })),
    onSuccess: () => { setAsking(false); refresh(...touched); },
  });
  const faults = check.data?.faults ?? none;
  const warnings = check.data?.warnings ?? none;
  const schema = useApi(["policy schema"], () => api.GET("/api/v1/policy/schema"));
  const names = useNames();
  const changed = draft !== text;
  return (
    <div className="grid gap-4 xl:grid-cols-2">
      <Card title={<span className="break-all">{file}</span>} aside={may && changed && <><Button onClick={() => setDraft(text)}>Take back</Button><Button kind="main" disabled={faults.length > 0 || check.isFetching} onClick={() => setAsking(true)}>{review ? "Propose …" : "Publish …"}</Button></>}>
        <Editor label="Policy" readOnly={!may} value={draft} change={setDraft} faults={faults} warnings={changed ? warnings : none} schema={schema.data as Node | undefined} names={names} />
      </Card>
      <Card title={changed ? "What changes" : "Check"}>
        <div aria-live="polite" className="space-y-3">
          {managed && <p className="text-sm">This policy has a source of its own, such as a Git checkout or a ConfigMap: commit a change there. Here it is read only.</p>}
          {publish.data?.proposal.state === "waiting" && <p className="text-sm text-warn">Proposal {publish.data.proposal.id} waits for a second person.</p>}
          {!changed && !managed && <p className="text-sm text-muted">Edit the policy: its faults and what changes show here before anything takes effect.</p>}
          <Fault error={check.error} />
          {faults.length > 0 && <div role="alert"><ul className="space-y-1 font-mono text-xs text-bad">{faults.map((f) => <li key={f}>{f}</li>)}</ul></div>}
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
      <Modal open={asking} onClose={() => setAsking(false)} title={review ? "Propose the policy" : "Publish the policy"}>
        <form className="space-y-4" onSubmit={(e) => { e.preventDefault(); publish.mutate(); }}>
          <Field label="Reason" hint={review ? "It is on the audit chain, with your name. A second person approves it." : "It is on the audit chain, with your name."}><Input required maxLength={500} value={reason} onChange={(e) => setReason(e.target.value)} autoFocus /></Field>
          <Fault error={publish.error} />
          <Button kind="main" type="submit" disabled={publish.isPending || !reason.trim()}>{review ? "Propose" : "Publish"}</Button>
        </form>
      </Modal>
    </div>
  );
}

const none: string[] = [];

/** useNames are names that a policy may have as a value, by the key that takes them. */
function useNames(): Names {
  const settings = useSettings();
  const providers = useApi(["providers"], () => api.GET("/api/v1/providers"));
  const prices = useApi(["prices"], () => api.GET("/api/v1/prices", { params: { query: { limit: 1000 } } }));
  return useMemo(() => {
    const models = [...new Set((prices.data?.prices ?? []).map((p) => p.model ?? "").filter(Boolean))];
    return {
      team: settings.data?.teams ?? [], service: (settings.data?.services ?? []).map((s) => s.name), provider: (providers.data ?? []).map((p) => p.name),
      model: models, downgrade: models,
    };
  }, [settings.data, providers.data, prices.data]);
}
