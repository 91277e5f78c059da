"use client";

import { mono, right, Table } from "@/components/table";
import { Button, Card, Fault, Input, Listed, Name, Page, When } from "@/components/ui";
import { api, unwrap, useMay } from "@/lib/api";
import { cell, download } from "@/lib/csv";
import { count } from "@/lib/money";
import { useAddress } from "@/lib/url";
import { useInfiniteQuery, useMutation } from "@tanstack/react-query";
import { Download } from "lucide-react";

const mostExported = 100_000;

/** exported saves every row that fits, and says what was left out. */
async function exported(contains: string): Promise<string> {
  const lines = ["seq,at,actor,action,object,before,after,hash"];
  let before = 0;
  do {
    const page = await unwrap(api.GET("/api/v1/audit", { params: { query: { before, contains, limit: 1000 } } }));
    for (const r of page.rows) lines.push([r.seq, r.at, ...[r.actor, r.action, r.object, r.before, r.after].map(cell), r.hash].join(","));
    before = page.next ?? 0;
  } while (before && lines.length <= mostExported);
  download("audit.csv", lines);
  return before ? `The file has the newest ${count(lines.length - 1)} rows; sentinel audit show has all.` : `The file has ${count(lines.length - 1)} rows.`;
}

export default function AuditPage() {
  const [address, set] = useAddress();
  const contains = address.get("contains") ?? "";
  const may = useMay("operator");
  const pages = useInfiniteQuery({
    queryKey: ["audit", contains], queryFn: ({ pageParam }) => unwrap(api.GET("/api/v1/audit", { params: { query: { before: pageParam, contains, limit: 100 } } })),
    initialPageParam: 0, getNextPageParam: (last) => last.next || undefined,
  });
  const verify = useMutation({ mutationFn: () => unwrap(api.GET("/api/v1/audit/verify")) });
  const save = useMutation({ mutationFn: () => exported(contains) });
  return (
    <Page title="Audit" lead="What operators changed. Each row's hash covers the row before: none can be changed, moved or taken out unnoticed."
      aside={
        <>
          <Input aria-label="Search" placeholder="Search" value={contains} onChange={(e) => set({ contains: e.target.value })} className="w-48" />
          <Button disabled={save.isPending} onClick={() => save.mutate()}><Download className="size-4" aria-hidden /> CSV</Button>
          {may && <Button disabled={verify.isPending} onClick={() => verify.mutate()}>Verify the chain</Button>}
        </>
      }>
      <div aria-live="polite">
        {verify.data && <p className={`text-sm ${verify.data.intact ? "text-good" : "text-bad"}`}>{verify.data.intact ? `The chain is intact: ${count(verify.data.rows)} rows.` : verify.data.fault}</p>}
        <Fault error={verify.error ?? save.error} />
        {save.data && <p className="text-sm text-muted">{save.data}</p>}
      </div>
      <Card>
        <Listed of={pages} rows={(p) => p.rows} empty="Nothing fits.">
          {(rows) => (
            <Table caption="Changes, newest first" rows={rows} id={(r) => String(r.seq)} columns={[
              { header: "Row", meta: right, accessorKey: "seq" },
              { header: "When", cell: ({ row: { original: r } }) => <When at={r.at} /> },
              { header: "Who", accessorKey: "actor" },
              { header: "What", accessorKey: "action" },
              { header: "To what", accessorKey: "object" },
              { header: "Before", cell: ({ row: { original: r } }) => <Name className="text-muted">{r.before}</Name> },
              { header: "After", accessorKey: "after" },
              { header: "Hash", cell: ({ row: { original: r } }) => <span title={r.hash}>{r.hash.slice(0, 12)}</span>, meta: mono },
            ]} />
          )}
        </Listed>
      </Card>
    </Page>
  );
}
