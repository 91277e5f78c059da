"use client";

import Link from "next/link";
import { mono, right, Table } from "@/components/table";
import { Badge, Card, Loaded, Page, Select } from "@/components/ui";
import { api, useApi, useMay, useSettings } from "@/lib/api";
import { count } from "@/lib/money";
import { joined, useAddress } from "@/lib/url";
import { Credentials } from "./credentials";
import { Tokens } from "./tokens";

export default function ProvidersPage() {
  const providers = useApi(["providers"], () => api.GET("/api/v1/providers"), 30_000);
  const settings = useSettings();
  const operator = useMay("operator");
  const [address, set] = useAddress();
  const service = address.get("service") ?? "";
  return (
    <Page title="Keys and callers" lead="What may be called, with whose credential, and by whom. Credentials stay in Vault: here are their places."
      aside={<Select aria-label="Service" value={service} onChange={(e) => set({ service: e.target.value })}><option value="">every service</option>{settings.data?.services.map((s) => <option key={s.name}>{s.name}</option>)}</Select>}>
      <Card title="Providers">
        <Loaded of={providers} empty={(l) => !l?.length && "The policy has no provider yet."}>
          {(l) => (
            <Table caption="Providers" rows={l ?? []} id={(p) => p.name} sort="sort-providers" columns={[
              { id: "provider", header: "Provider", accessorKey: "name", cell: ({ row: { original: p } }) => <><Link className="underline decoration-line" href={`/usage?by=model&filter=provider:${encodeURIComponent(p.name)}`}>{p.name}</Link><span className="block text-xs text-muted">{p.preset || "the policy's own"}</span></> },
              { id: "host", header: "Host", accessorKey: "host", meta: mono },
              { id: "credential", header: "Credential", accessorKey: "credential", cell: ({ row: { original: p } }) => p.credential || "—", meta: mono },
              { id: "held", header: "Held", accessorFn: (p) => (p.fresh ? "fresh" : "stale"), cell: ({ row: { original: p } }) => <Badge>{p.fresh ? "fresh" : "stale"}</Badge> },
              { id: "endpoints", header: "Endpoints", meta: right, accessorFn: (p) => p.endpoints.length, cell: ({ row: { original: p } }) => <span title={p.endpoints.join(", ")}>{count(p.endpoints.length)}</span> },
              { id: "models", header: "Models with a price", meta: right, accessorKey: "models", cell: ({ row: { original: p } }) => count(p.models) },
              { id: "prices", header: "Prices read", meta: right, accessorKey: "prices_read", cell: ({ row: { original: p } }) => (p.prices_read.startsWith("0001") ? "in the policy" : p.prices_read.slice(0, 10)) },
            ]} />
          )}
        </Loaded>
      </Card>
      <Credentials />
      {operator && <Tokens key={service} service={service} />}
      <Card title="Callers">
        <Loaded of={settings} empty={(s) => !s.services.length && "The policy has no service yet."}>
          {(s) => (
            <Table caption="Callers" rows={s.services.filter((x) => !service || x.name === service)} id={(x) => x.name} sort="sort-callers" columns={[
              { id: "service", header: "Service", accessorKey: "name", cell: ({ row: { original: x } }) => <Link className="underline decoration-line" href={`/usage?by=model&filter=${encodeURIComponent(joined(["service:" + x.name]))}`}>{x.name}</Link> },
              { id: "team", header: "Team", accessorKey: "team", cell: ({ row: { original: x } }) => <Link className="underline decoration-line" href={`/usage?by=service&filter=${encodeURIComponent(joined(["team:" + x.team]))}`}>{x.team}</Link> },
              { header: "Connect", meta: right, cell: ({ row: { original: x } }) => <Link className="underline decoration-line" href={`/connect?service=${encodeURIComponent(x.name)}`}>snippets</Link> },
            ]} />
          )}
        </Loaded>
      </Card>
    </Page>
  );
}
