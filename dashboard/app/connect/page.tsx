"use client";

import { Badge, Button, Card, Loaded, Page, Select } from "@/components/ui";
import { api, useApi, useSettings } from "@/lib/api";
import { snippets, type Snippet } from "@/lib/snippets";
import { ago, range } from "@/lib/time";
import { reachable, useAddress } from "@/lib/url";
import { Check, Copy } from "lucide-react";
import { useState } from "react";

export default function ConnectPage() {
  const [address, set] = useAddress();
  const settings = useSettings();
  const providers = useApi(["providers"], () => api.GET("/api/v1/providers"));
  const service = address.get("service") ?? settings.data?.services[0]?.name ?? "", provider = address.get("provider") ?? providers.data?.[0]?.name ?? "";
  const seen = useApi(["ledger", "connect", service, provider], () => {
    const r = range("week");
    return api.GET("/api/v1/calls", { params: { query: { from: r.from.toISOString(), to: new Date(Date.now() + 60_000).toISOString(), filter: [`service:${service}`, `provider:${provider}`], limit: 1 } } });
  }, 2_000);
  const p = providers.data?.find((x) => x.name === provider);
  const first = seen.data?.calls[0];
  return (
    <Page title="Connect" lead="A client needs another base URL and the service's own token, nothing else. The provider's key never leaves the gateway."
      aside={
        <>
          <Select aria-label="Service" value={service} onChange={(e) => set({ service: e.target.value })}>{settings.data?.services.map((s) => <option key={s.name}>{s.name}</option>)}</Select>
          <Select aria-label="Provider" value={provider} onChange={(e) => set({ provider: e.target.value })}>{providers.data?.map((x) => <option key={x.name}>{x.name}</option>)}</Select>
        </>
      }>
      <Card title={<span aria-live="polite">{first ? "Connected" : seen.data ? "Waiting for the first call" : "The first call"}</span>} aside={first ? <Badge>ok</Badge> : undefined}>
        <Loaded of={seen}>
          {() => <p className="text-sm break-words text-muted">{first ? `${service} called ${provider} ${ago(first.at)}: ${first.action}, status ${first.status}.` : `No call of ${service} to ${provider} in the last 7 days. This turns green by itself.`}</p>}
        </Loaded>
      </Card>
      <Loaded of={settings}>
        {(s) => <>{p && snippets(p.preset, `${reachable(s.gateway)}/${p.name}`, p.host).map((x) => <Code key={x.name} {...x} />)}</>}
      </Loaded>
    </Page>
  );
}

function Code({ name, text }: Snippet) {
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    setCopied(true);
    setTimeout(() => setCopied(false), 2000);
  };
  return (
    <Card title={name} aside={<Button onClick={copy}>{copied ? <Check className="size-4" aria-hidden /> : <Copy className="size-4" aria-hidden />} {copied ? "Copied" : "Copy"}</Button>}>
      <pre tabIndex={0} className="overflow-x-auto rounded-md bg-page p-3 font-mono text-xs leading-5">{text}</pre>
    </Card>
  );
}
