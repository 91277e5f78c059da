"use client";

import Link from "next/link";
import { Badge, Loaded } from "@/components/ui";
import { api, useApi, type Schemas } from "@/lib/api";
import { moment } from "@/lib/time";

/** LimitHistory tells what a limit did: when it opened incidents, whom it refused, and how people changed it. */
export function LimitHistory({ limit: l }: { limit: Schemas["Limit"] }) {
  const changes = useApi(["audit", "limit", l.cell], () => api.GET("/api/v1/audit", { params: { query: { contains: l.cell, limit: 100 } } }));
  const incidents = useApi(["incidents", "all"], () => api.GET("/api/v1/incidents", { params: { query: { limit: 500 } } }));
  const calls = (action: string) => "/calls?" + new URLSearchParams({ period: "week", filter: [`action:${action}`, ...(["team", "service", "provider"].includes(l.scope) ? [`${l.scope}:${l.subject}`] : [])].join("|") }).toString();
  return (
    <div className="space-y-4 text-sm">
      <p>
        Of the last 7 days: calls that were <Link className="underline" href={calls("deny")}>denied</Link>, <Link className="underline" href={calls("throttle")}>throttled</Link> and{" "}
        <Link className="underline" href={calls("downgrade")}>downgraded</Link>{l.subject && ` in ${l.scope} ${l.subject}`}, each with its reason.
      </p>
      <Loaded of={incidents}>
        {(list) => {
          const own = (list ?? []).filter((i) => i.scope === l.cell);
          return own.length ? (
            <ol aria-label="Incidents" className="space-y-2">{own.map((i) => <li key={i.id}><Badge>{i.state}</Badge> {i.title}<span className="block text-xs text-muted">{moment(i.opened)}{i.resolved && ` until ${moment(i.resolved)}`}</span></li>)}</ol>
          ) : <p className="text-muted">It has opened no incident of the last 500.</p>;
        }}
      </Loaded>
      <Loaded of={changes} empty={(p) => !p.rows.some((r) => r.object === l.cell) && "Nobody has changed it."}>
        {(p) => (
          <ol aria-label="Changes" className="space-y-2 border-t border-line pt-3">
            {p.rows.filter((r) => r.object === l.cell).map((r) => (
              <li key={r.seq}>{names[r.action] ?? r.action} by <span className="break-all">{r.actor}</span>{r.before && `, was ${r.before}`}{r.after && `, is ${r.after}`}<span className="block text-xs text-muted">{moment(r.at)}</span></li>
            ))}
          </ol>
        )}
      </Loaded>
    </div>
  );
}

const names: Record<string, string> = { "limit.override": "Overridden", "limit.override_end": "Override ended", "limit.reset": "Count reset" };
