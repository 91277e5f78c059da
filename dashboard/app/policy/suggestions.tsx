"use client";

import { right, Table } from "@/components/table";
import { Button, Card, Fault, Nothing } from "@/components/ui";
import { api, unwrap } from "@/lib/api";
import { count, usd } from "@/lib/money";
import { useMutation } from "@tanstack/react-query";

/** Suggestions are budgets and limits that fit the last four weeks, each with what it alone would have done to them. */
export function Suggestions() {
  const run = useMutation({ mutationFn: () => unwrap(api.GET("/api/v1/policy/suggestions", { params: { query: { days: 28, shadow: true } } })) });
  const list = run.data;
  return (
    <Card title="Suggested budgets and limits" aside={<Button disabled={run.isPending} onClick={() => run.mutate()}>{run.isPending ? "Judging recorded calls …" : "Suggest"}</Button>}>
      <div aria-live="polite" className="space-y-4">
        <Fault error={run.error} />
        {!list && !run.error && <p className="text-sm text-muted">What the last four weeks used, or the forecast where that is more, with a fifth as head-room. Each is simulated on the same calls.</p>}
        {list && list.length === 0 && <Nothing>There are no calls in the last four weeks.</Nothing>}
        {list && list.length > 0 && (
          <>
            <Table caption="Suggestions" rows={list} id={(x) => x.name} columns={[
              { header: "Suggestion", accessorKey: "name" }, { header: "Amount", meta: right, cell: ({ row: { original: x } }) => `${x.measure === "cost" ? "$" : ""}${x.amount}/${x.span}` },
              { header: "Would refuse", meta: right, cell: ({ row: { original: x } }) => `${count(x.refused)} of ${count(x.calls)}` }, { header: "Avoided", meta: right, cell: ({ row: { original: x } }) => usd(x.avoided, 2) }, { header: "From", accessorKey: "basis" },
            ]} />
            <p className="text-sm text-muted">Rules to paste under <code className="font-mono">policies</code>, in shadow at first:</p>
            <pre className="max-h-72 overflow-auto rounded-md border border-line bg-page p-3 font-mono text-xs leading-5" tabIndex={0}>{list.map((x) => x.rule).join("\n")}</pre>
          </>
        )}
      </div>
    </Card>
  );
}
