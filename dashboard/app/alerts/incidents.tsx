"use client";

import { Badge, Button, Card, Fault, Listed, Loaded, Name, Select } from "@/components/ui";
import { api, unwrap, useApi, useList, useMay, useRefresh, type Schemas } from "@/lib/api";
import { ago, moment } from "@/lib/time";
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";

export function Incidents({ all, show }: { all: boolean; show: (all: boolean) => void }) {
  const list = useList(["incidents", "pages", all], (cursor) => api.GET("/api/v1/incidents", { params: { query: { open: !all, limit: 50, cursor } } }), 5_000);
  return (
    <>
      <Select aria-label="Show" value={all ? "all" : "open"} onChange={(e) => show(e.target.value === "all")}><option value="open">not resolved</option><option value="all">all</option></Select>
      <Listed of={list} rows={(p) => p.incidents} empty={all ? "There was no incident yet." : "Nothing is wrong."}>
        {(l) => <ul className="space-y-3">{l.map((i) => <li key={i.id + i.opened}><Incident i={i} /></li>)}</ul>}
      </Listed>
    </>
  );
}

function Incident({ i }: { i: Schemas["Incident"] }) {
  const refresh = useRefresh();
  const may = useMay("operator");
  const [shown, setShown] = useState(false);
  const answer = useMutation({
    mutationFn: (act: "acknowledge" | "snooze" | "plan" | "resolve" | "confirm" | "dismiss") => unwrap(api.POST("/api/v1/incidents/answer", { body: { group: i.group, act } })),
    onSuccess: () => refresh("incidents", "anomalies", "expected", "ledger"),
  });
  return (
    <Card>
      <div className="flex flex-wrap items-start justify-between gap-3">
        <div className="min-w-0">
          <p className="flex flex-wrap items-center gap-2"><Badge>{i.severity}</Badge><Badge>{i.state}</Badge><Name className="max-w-full font-medium">{i.title}</Name></p>
          <p className="mt-1 line-clamp-6 text-sm break-words whitespace-pre-line text-muted">{i.detail}</p>
          <p className="mt-1 line-clamp-4 text-xs break-words text-muted">{i.rule} · {i.scope} · opened {ago(i.opened)} · reported {i.fired === 1 ? "once" : `${i.fired} times`}{i.by && ` · ${i.by}`}{i.planned && " · planned"}{i.held && ` · people are not told: ${i.held}`}</p>
        </div>
        <div className="flex flex-wrap gap-2">
          {may && i.state !== "resolved" && (
            <>
              <Button disabled={answer.isPending} onClick={() => answer.mutate("acknowledge")}>Acknowledge</Button>
              <Button disabled={answer.isPending} onClick={() => answer.mutate("snooze")}>Snooze 1 h</Button>
              <Button disabled={answer.isPending} onClick={() => answer.mutate("plan")}>Planned</Button>
              {i.scope.endsWith("/any") && <Button disabled={answer.isPending} onClick={() => answer.mutate("confirm")}>It is abuse</Button>}
              {i.scope.endsWith("/any") && <Button disabled={answer.isPending} onClick={() => answer.mutate("dismiss")}>False alarm</Button>}
              <Button disabled={answer.isPending} onClick={() => answer.mutate("resolve")}>Resolve</Button>
            </>
          )}
          <Button aria-expanded={shown} onClick={() => setShown(!shown)}>History</Button>
        </div>
      </div>
      <Fault error={answer.error} />
      {shown && <History id={i.id} />}
    </Card>
  );
}

function History({ id }: { id: string }) {
  const history = useApi(["incidents", id], () => api.GET("/api/v1/incidents/{id}/history", { params: { path: { id } } }));
  return <Loaded of={history}>{(h) => <ol className="mt-3 space-y-1 border-t border-line pt-3 text-sm">{(h ?? []).map((c, n) => <li key={n}><span className="text-muted">{moment(c.at)}</span> {c.what}{c.by && ` by ${c.by}`}</li>)}</ol>}</Loaded>;
}
