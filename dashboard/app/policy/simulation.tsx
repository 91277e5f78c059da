"use client";

import { Compared } from "@/components/lazy";
import { Button, Card, Fault, Table } from "@/components/ui";
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
              { head: "Side", cell: (x) => x.name }, { head: "Calls", right: true, cell: (x) => count(x.calls) }, { head: "Refused", right: true, cell: (x) => count(x.refused) },
              { head: "Downgraded", right: true, cell: (x) => count(x.downgraded) }, { head: "Delayed", right: true, cell: (x) => count(x.delayed) }, { head: "Spend", right: true, cell: (x) => usd(x.cost, 2) },
              { head: "Worst five minutes", right: true, cell: (x) => (x.worst_refused > 0 ? `${count(x.worst_refused)} refused, ${moment(x.worst_from)}` : "") },
            ]} />
            {r.hours.length > 0 && <Compared money label="Spend by the hour, by the policy in force and by this draft" points={r.hours.map((h) => ({ at: h.at, now: h.now_cost, then: h.then_cost }))} />}
            {refused && <Compared label="Refused calls by the hour, by the policy in force and by this draft" points={r.hours.map((h) => ({ at: h.at, now: String(h.now_refused), then: String(h.then_refused) }))} />}
            <Table caption="Teams" rows={r.teams} id={(x) => x.name} columns={[
              { head: "Team", cell: (x) => x.name }, { head: "Refused now", right: true, cell: (x) => count(x.now.refused) }, { head: "Refused then", right: true, cell: (x) => count(x.then.refused) },
              { head: "Spend now", right: true, cell: (x) => usd(x.now.cost, 2) }, { head: "Spend then", right: true, cell: (x) => usd(x.then.cost, 2) },
            ]} />
            {Object.keys(r.limits).length > 0 && <p className="text-sm text-muted">Limits that decide then: {Object.entries(r.limits).map(([k, n]) => `${k} (${count(n)})`).join(", ")}</p>}
          </>
        )}
      </div>
    </Card>
  );
}
