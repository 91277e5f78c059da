"use client";

import { right, Table } from "@/components/table";
import { Button, Card, Fault, Field, Input, Listed, Modal, Name, When } from "@/components/ui";
import { api, unwrap, useList, useMay, useRefresh } from "@/lib/api";
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";

/** Silences lists maintenance that people asked for, and asks for more. Those of the policy are in its file. */
export function Silences() {
  const list = useList(["silences"], (cursor) => api.GET("/api/v1/silences", { params: { query: { cursor } } }), 5_000);
  const may = useMay("operator");
  const refresh = useRefresh();
  const [adding, setAdding] = useState(false);
  const end = useMutation({ mutationFn: (id: string) => unwrap(api.DELETE("/api/v1/silences/{id}", { params: { path: { id } } })), onSuccess: () => refresh("silences") });
  return (
    <Card title="Silences" aside={may && <Button onClick={() => setAdding(true)}>Silence …</Button>}>
      <p className="mb-3 text-sm text-muted">What matches is opened and kept as ever, and people are told when the silence ends if it is not resolved then.</p>
      <Fault error={end.error} />
      <Listed of={list} rows={(p) => p.silences} empty="Nothing is silenced.">
        {(l) => (
          <Table caption="Silences" rows={l} id={(q) => q.id} columns={[
            { header: "Rules", cell: ({ row: { original: q } }) => q.rule || "all" },
            { header: "Scopes", cell: ({ row: { original: q } }) => q.scope || "all" },
            { header: "From", cell: ({ row: { original: q } }) => <When at={q.from} /> },
            { header: "Until", cell: ({ row: { original: q } }) => <When at={q.until} /> },
            { header: "Why", cell: ({ row: { original: q } }) => <><Name>{q.why}</Name><Name className="text-xs text-muted">{q.by}</Name></> },
            { id: "actions", header: "", meta: right, cell: ({ row: { original: q } }) => may && <Button disabled={end.isPending} aria-label={`End the silence of ${q.rule || "all rules"}`} onClick={() => end.mutate(q.id)}>End</Button> },
          ]} />
        )}
      </Listed>
      <Modal open={adding} onClose={() => setAdding(false)} title="Silence for a time"><Add done={() => { setAdding(false); refresh("silences"); }} /></Modal>
    </Card>
  );
}

function Add({ done }: { done: () => void }) {
  const [rule, setRule] = useState(""), [scope, setScope] = useState(""), [hours, setHours] = useState("2"), [why, setWhy] = useState("");
  const minutes = Math.round(Number(hours) * 60);
  const add = useMutation({ mutationFn: () => unwrap(api.POST("/api/v1/silences", { body: { rule, scope, minutes, why } })), onSuccess: done });
  return (
    <form className="space-y-4" onSubmit={(e) => { e.preventDefault(); add.mutate(); }}>
      <Field label="Rules" hint="A pattern such as budget or err*; * alone is every rule."><Input value={rule} onChange={(e) => setRule(e.target.value)} maxLength={300} /></Field>
      <Field label="Scopes" hint="A pattern such as provider/openai or team/*; empty for all."><Input value={scope} onChange={(e) => setScope(e.target.value)} maxLength={300} /></Field>
      <Field label="Hours"><Input type="number" min="0.02" max="2160" step="any" required value={hours} onChange={(e) => setHours(e.target.value)} /></Field>
      <Field label="Why"><Input value={why} onChange={(e) => setWhy(e.target.value)} maxLength={300} /></Field>
      <Fault error={add.error} />
      <Button kind="main" type="submit" disabled={add.isPending || !(minutes >= 1) || !(rule || scope)}>Silence it</Button>
    </form>
  );
}
