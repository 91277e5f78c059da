"use client";

import Link from "next/link";
import { BandChart } from "@/components/lazy";
import { PeriodChoice, usePeriod } from "@/components/period";
import { Badge, Button, Card, Fault, Listed, Loaded, Name, Nothing, Page, Select } from "@/components/ui";
import { api, unwrap, useApi, useList, useMay, useRefresh, useSettings, type Schemas } from "@/lib/api";
import { usd } from "@/lib/money";
import { moment } from "@/lib/time";
import { joined, useAddress } from "@/lib/url";
import { useMutation } from "@tanstack/react-query";

type Anomaly = Schemas["Anomaly"];

const spans = { 24: "the last day", 72: "the last 3 days", 168: "the last 7 days" } as const;

export default function AnomaliesPage() {
  const [address, set] = useAddress();
  const settings = useSettings();
  const period = usePeriod("week"), service = address.get("service") ?? "";
  const list = useList(["anomalies", period.key, service], (cursor) => {
    const r = period.range();
    return api.GET("/api/v1/anomalies", { params: { query: { from: r.from.toISOString(), to: r.to.toISOString(), service: service || undefined, limit: 50, cursor } } });
  }, 30_000);
  const shown = list.data?.pages.flatMap((p) => p.anomalies) ?? [];
  const incidents = useApi(["incidents", "newest"], () => api.GET("/api/v1/incidents", { params: { query: { limit: 500 } } }), 30_000);
  const newest = (i: Schemas["Incident"]) => incidents.data?.incidents.find((o) => o.group === i.group) === i;
  const charted = service || shown[0]?.service || settings.data?.services[0]?.name || "";
  return (
    <Page title="Anomalies" lead="When services were unusual beside their own past. What you say of one changes how the service is judged from then on."
      aside={
        <>
          <Select aria-label="Service" value={service} onChange={(e) => set({ service: e.target.value })}><option value="">every service</option>{settings.data?.services.map((s) => <option key={s.name}>{s.name}</option>)}</Select>
          <PeriodChoice period={period} />
        </>
      }>
      {charted && <Timeline service={charted} hours={Number(address.get("hours") ?? 72)} set={set} anomalies={shown.filter((a) => a.service === charted)} />}
      <Listed of={list} rows={(p) => p.anomalies} empty="Nothing was unusual in this period.">
        {(l) => <ul className="space-y-3">{l.map((a) => <li key={a.service + a.from}><One a={a} known={!!incidents.data} newest={newest} incident={incidents.data?.incidents.find((i) => i.scope.split("/")[1] === a.service && i.scope.endsWith("/any") && overlaps(i, a))} /></li>)}</ul>}
      </Listed>
    </Page>
  );
}

/** What is said counts while an incident is open, and for 30 days after the end of a group's last one. */
const counts = (i: Schemas["Incident"], newest: boolean) => i.state !== "resolved" || (newest && Date.now() - Date.parse(i.resolved ?? "") < 30 * 86_400_000);

/** An incident opens within minutes of what it tells of, and ends after it. */
const overlaps = (i: Schemas["Incident"], a: Anomaly) => i.opened <= new Date(new Date(a.to).getTime() + 15 * 60_000).toISOString() && (i.resolved ?? "9") >= a.from;

function Timeline({ service, hours, set, anomalies }: { service: string; hours: number; set: (parts: Record<string, string | undefined>) => void; anomalies: Anomaly[] }) {
  const expected = useApi(["expected", service, hours], () => api.GET("/api/v1/anomalies/expected", { params: { query: { service, hours } } }), 300_000);
  return (
    <Card title={`Spend of ${service} by the hour`} aside={
      <>
        {expected.data && <span>{expected.data.known ? "the band holds 95 of 100 hours, forecast from the hours before these" : expected.data.reason}</span>}
        <Select aria-label="Hours shown" value={hours} onChange={(e) => set({ hours: e.target.value === "72" ? undefined : e.target.value })}>{Object.entries(spans).map(([h, name]) => <option key={h} value={h}>{name}</option>)}</Select>
      </>
    }>
      <Loaded of={expected}>
        {(e) => (e.hours.some((h) => h.actual !== "0" || h.expected !== "0") ? <BandChart hours={e.hours} known={e.known} marks={anomalies} /> : <Nothing>No call in these hours.</Nothing>)}
      </Loaded>
    </Card>
  );
}

const verdicts: Record<string, string> = { confirmed: "it was a true alarm", "false alarm": "it was a false alarm", planned: "it was planned" };

/** One is an anomaly; what is said of a group counts for its open incidents, or else for the newest. */
function One({ a, incident, known, newest }: { a: Anomaly; incident?: Schemas["Incident"]; known: boolean; newest: (i: Schemas["Incident"]) => boolean }) {
  const refresh = useRefresh();
  const may = useMay("operator");
  const say = useMutation({
    mutationFn: (act: "confirm" | "dismiss" | "plan") => unwrap(api.POST("/api/v1/incidents/answer", { body: { group: incident?.group ?? "", act } })),
    onSuccess: () => refresh("incidents", "anomalies", "expected", "ledger"),
  });
  const calls = "/calls?" + new URLSearchParams({ from: a.from, to: a.to, filter: joined(["service:" + a.service]) }).toString();
  return (
    <Card>
      <div className="flex flex-wrap items-start justify-between gap-3">
        <div className="min-w-0">
          <p className="flex flex-wrap items-center gap-2"><Name className="font-medium">{a.service}</Name><Name className="text-xs text-muted">{a.team}</Name>{a.verdict && <Badge>{a.verdict}</Badge>}</p>
          <p className="mt-1 line-clamp-4 text-sm break-words">{a.why}.</p>
          <p className="mt-1 text-xs text-muted">
            {moment(a.from)} until {moment(a.to)} · {a.minutes} {a.minutes === 1 ? "minute" : "minutes"} · score {a.score.toFixed(3)}
            {a.impact !== "0" && <> · {usd(a.impact)} above what was expected</>} · <Link className="underline" href={calls}>its calls</Link>
          </p>
        </div>
        {may && incident && counts(incident, newest(incident)) && (
          <div className="flex flex-wrap gap-2">
            <Button disabled={say.isPending} onClick={() => say.mutate("confirm")}>True alarm</Button>
            <Button disabled={say.isPending} onClick={() => say.mutate("dismiss")}>False alarm</Button>
            <Button disabled={say.isPending} onClick={() => say.mutate("plan")}>Planned</Button>
          </div>
        )}
      </div>
      {a.verdict && <p className="mt-2 text-xs text-muted">People said: {verdicts[a.verdict]}.</p>}
      {known && !incident && <p className="mt-2 text-xs text-muted">No incident of the last 500 belongs to it.</p>}
      <Fault error={say.error} />
    </Card>
  );
}
