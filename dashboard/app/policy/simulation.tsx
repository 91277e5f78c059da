"use client";

import { Compared } from "@/components/lazy";
import { right, Table } from "@/components/table";
import { Button, Card, Fault } from "@/components/ui";
import { api, unwrap } from "@/lib/api";
import { count, usd } from "@/lib/money";
import { moment } from "@/lib/time";
import { useMutation } from "@tanstack/react-query";

/** Simulation asks what the draft would have done to the calls of the last week. */
export function Simulation({ text }: { text: string }) {
  const run = useMutation({
    mutationFn: () => unwrap(api.POST("/api/v1/policy/simulate", { body: { text, from: new Date(Date.now() - 7 * 86_400_000).toISOString(), to: new Date().toISOString() } })),
  });
  const r = run.data;
  const refused = r?.hours.some((h) => h.now_refused + h.then_refused > 0);
  return (
    <Card className="xl:col-span-2" title="What would this have done in the last seven days?" aside={<Button disabled={run.isPending} onClick={() => run.mutate()}>{run.isPending ? "Judging recorded calls …" : "Simulate"}</Button>}>
      <div aria-live="polite" className="space-y-4">
        <Fault error={run.error} />
        {!r && !run.error && <p className="text-sm text-muted">Recorded calls are judged again by the code that judges live ones, with this policy and with the one in force.</p>}
        {r && (
          <>
            <p className="text-sm">{count(r.different)} of {count(r.now.calls)} calls are judged otherwise. Spend avoided: <strong>{usd(r.avoided, 2)}</strong>.{r.estimated > 0 && ` What ${count(r.estimated)} refused calls would have used is estimated.`}</p>
            <Table caption="Recorded, now and then" rows={[{ name: "recorded", ...r.recorded }, { name: "policy in force", ...r.now }, { name: "this draft", ...r.then }]} id={(x) => x.name} columns={[
              { header: "Side", accessorKey: "name" }, { header: "Calls", meta: right, cell: ({ row: { original: x } }) => count(x.calls) }, { header: "Refused", meta: right, cell: ({ row: { original: x } }) => count(x.refused) },
              { header: "Downgraded", meta: right, cell: ({ row: { original: x } }) => count(x.downgraded) }, { header: "Delayed", meta: right, cell: ({ row: { original: x } }) => count(x.delayed) }, { header: "Spend", meta: right, cell: ({ row: { original: x } }) => usd(x.cost, 2) },
              { header: "Worst five minutes", meta: right, cell: ({ row: { original: x } }) => (x.worst_refused > 0 ? `${count(x.worst_refused)} refused, ${moment(x.worst_from)}` : "") },
            ]} />
            {r.hours.length > 0 && <Compared money label="Spend by the hour, by the policy in force and by this draft" points={r.hours.map((h) => ({ at: h.at, now: h.now_cost, then: h.then_cost }))} />}
            {refused && <Compared label="Refused calls by the hour, by the policy in force and by this draft" points={r.hours.map((h) => ({ at: h.at, now: String(h.now_refused), then: String(h.then_refused) }))} />}
            <Table caption="Teams" rows={r.teams} id={(x) => x.name} sort="sort-teams" columns={[
              { id: "team", header: "Team", accessorKey: "name" }, { id: "refused-now", header: "Refused now", meta: right, accessorFn: (x) => x.now.refused, cell: ({ row: { original: x } }) => count(x.now.refused) }, { id: "refused-then", header: "Refused then", meta: right, accessorFn: (x) => x.then.refused, cell: ({ row: { original: x } }) => count(x.then.refused) },
              { id: "spend-now", header: "Spend now", meta: right, accessorFn: (x) => BigInt(x.now.cost), cell: ({ row: { original: x } }) => usd(x.now.cost, 2) }, { id: "spend-then", header: "Spend then", meta: right, accessorFn: (x) => BigInt(x.then.cost), cell: ({ row: { original: x } }) => usd(x.then.cost, 2) },
            ]} />
            {Object.keys(r.limits).length > 0 && <p className="text-sm text-muted">Limits that decide then: {Object.entries(r.limits).map(([k, n]) => `${k} (${count(n)})`).join(", ")}</p>}
          </>
        )}
      </div>
    </Card>
  );
}
