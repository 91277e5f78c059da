"use client";

import Link from "next/link";
import { api, useApi, useSettings } from "@/lib/api";
import { Check, Circle } from "lucide-react";
import { Card } from "./ui";

/** Guide leads from an empty gateway to the first call that it pays for; who has one does not see it. */
export function Guide() {
  const settings = useSettings();
  const providers = useApi(["providers"], () => api.GET("/api/v1/providers"));
  const limits = useApi(["ledger", "limits"], () => api.GET("/api/v1/limits"));
  const rules = useApi(["alert rules"], () => api.GET("/api/v1/alerts/rules"));
  const waiting = [settings, providers, limits, rules].some((q) => q.isPending);
  const held = providers.data?.filter((p) => p.fresh).length ?? 0;
  const steps: [done: boolean, text: string, to: string, link: string][] = [
    [held > 0, held > 0 ? `${held} of ${providers.data?.length} providers have their credential` : "Name a provider in the policy, and its credential in Vault", "/providers", "Keys and callers"],
    [!!settings.data?.services.length, "Name the services that call, each with its team", "/policy", "Policy"],
    [!!limits.data?.some((l) => l.measure === "cost"), "Give a team a budget", "/policy", "Policy"],
    [!!rules.data?.some((r) => r.to.length > 0), "Say who is told when it is nearly spent", "/alerts?part=rules", "Alert rules"],
    [false, "Send the first call through the gateway", "/connect", "Connect"],
  ];
  if (waiting) return <Card title="First steps"><div className="h-32 animate-pulse rounded bg-line" role="status" aria-label="Loading" /></Card>;
  return (
    <Card title="First steps" aside={`${steps.filter(([done]) => done).length} of ${steps.length}`}>
      <ol className="space-y-2">
        {steps.map(([done, text, to, link]) => (
          <li key={text} className="flex items-start gap-2.5 text-sm">
            {done ? <Check className="mt-0.5 size-4 shrink-0 text-good" aria-label="done" /> : <Circle className="mt-0.5 size-4 shrink-0 text-muted" aria-label="to do" />}
            <span className={done ? "text-muted" : undefined}>{text}. <Link className="underline" href={to}>{link}</Link></span>
          </li>
        ))}
      </ol>
    </Card>
  );
}
