"use client";

import Link from "next/link";
import { Badge, Loaded, Nothing } from "@/components/ui";
import { api, useApi, type Schemas } from "@/lib/api";
import { moment } from "@/lib/time";
import { joined } from "@/lib/url";

/** LimitHistory tells what a limit did: when it opened incidents, whom it refused, and how people changed it. */
export function LimitHistory({ limit: l }: { limit: Schemas["Limit"] }) {
  const changes = useApi(["audit", "limit", l.cell], () => api.GET("/api/v1/audit", { params: { query: { contains: l.cell, limit: 100 } } }));
  const incidents = useApi(["incidents", l.cell], () => api.GET("/api/v1/incidents", { params: { query: { scope: l.cell, limit: 20 } } }));
  const whose = ["team", "service", "provider"].includes(l.scope) ? [`${l.scope}:${l.subject}`] : []; // the ledger does not have which rule it was
  const calls = (action: string) => "/calls?" + new URLSearchParams({ period: "week", filter: joined([`action:${action}`, `reason:${reason(l)}`, ...whose]) }).toString();
  return (
    <div className="space-y-4 text-sm">
      <p>
        Of the last 7 days: calls that were <Link className="underline" href={calls("deny")}>denied</Link>, <Link className="underline" href={calls("throttle")}>throttled</Link> and{" "}
        <Link className="underline" href={calls("downgrade")}>downgraded</Link>{whose.length > 0 && ` in ${l.scope} ${l.subject}`} by a limit of this kind ({reason(l)}).
      </p>
      <Loaded of={incidents}>
        {({ incidents: own, next }) => {
          return own.length ? (
            <ol aria-label="Incidents" className="space-y-2">{own.map((i) => <li key={i.id + i.opened}><Badge>{i.state}</Badge> {i.title}<span className="block text-xs text-muted">{moment(i.opened)}{i.resolved && ` until ${moment(i.resolved)}`}</span></li>)}{next && <li className="text-muted">and older ones: see <Link className="underline" href="/alerts?show=all">Alerts</Link></li>}</ol>
          ) : <p className="text-muted">It has opened no incident.</p>;
        }}
      </Loaded>
      <Loaded of={changes}>{(p) => <Changes list={changesOf(p.rows, l.cell)} />}</Loaded>
    </div>
  );
}

type Change = Schemas["AuditRow"] & { failed: boolean };

function Changes({ list }: { list: Change[] }) {
  if (list.length === 0) return <Nothing>Nobody has changed it.</Nothing>;
  return (
    <ol aria-label="Changes" className="space-y-2 border-t border-line pt-3">
      {list.map((r) => (
        <li key={r.seq}>{names[r.action] ?? r.action} by <span className="break-all">{r.actor}</span>{r.before && `, was ${r.before}`}{r.after && (r.failed ? `, was to be ${r.after}, but it failed` : `, is ${r.after}`)}{r.failed && !r.after && ", but it failed"}<span className="block text-xs text-muted">{moment(r.at)}</span></li>
      ))}
    </ol>
  );
}

/** changesOf gives a limit's changes, the newest first. How one ended is a row of its own on the chain, after it. */
function changesOf(rows: Schemas["AuditRow"][], cell: string): Change[] {
  const out: Change[] = [];
  for (const r of rows.filter((r) => r.object === cell).sort((a, b) => a.seq - b.seq)) {
    const [, action, ending] = /^(.*?)(?:\.(done|failed))?$/.exec(r.action) ?? [];
    if (!ending) out.push({ ...r, failed: false });
    const meant = ending === "failed" && out.findLast((x) => x.action === action && x.actor === r.actor);
    if (meant) meant.failed = true;
  }
  return out.reverse();
}

/** reason is what a limit's refusals say. */
const reason = (l: Schemas["Limit"]) => (l.measure === "cost" ? "budget_spent" : { window: "quota_spent", concurrent: "concurrency_limited", rate: "rate_limited" }[l.kind]);

const names: Record<string, string> = { "limit.override": "Overridden", "limit.override_end": "Override ended", "limit.reset": "Count reset" };
