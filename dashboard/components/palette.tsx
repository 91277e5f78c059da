"use client";

import { api, useApi, useSettings } from "@/lib/api";
import { Command } from "cmdk";
import { useRouter } from "next/navigation";
import { useEffect } from "react";
import { pages } from "./shell";
import { Name } from "./ui";
import { joined } from "@/lib/url";

const item = "flex min-h-9 cursor-pointer items-center gap-2 rounded-md px-2 text-sm data-[selected=true]:bg-raised";
const group = "[&_[cmdk-group-heading]]:px-2 [&_[cmdk-group-heading]]:py-1.5 [&_[cmdk-group-heading]]:text-xs [&_[cmdk-group-heading]]:text-muted";

/** Palette finds pages, teams, services, providers and models by the keyboard. */
export function Palette({ open, setOpen }: { open: boolean; setOpen: (open: boolean) => void }) {
  const router = useRouter();
  const settings = useSettings();
  useEffect(() => {
    const press = (e: KeyboardEvent) => {
      if (e.key === "k" && (e.metaKey || e.ctrlKey)) {
        e.preventDefault();
        setOpen(true);
      }
    };
    window.addEventListener("keydown", press);
    return () => window.removeEventListener("keydown", press);
  }, [setOpen]);
  const go = (to: string) => () => {
    setOpen(false);
    router.push(to);
  };
  return (
    <Command.Dialog open={open} onOpenChange={setOpen} label="Search" overlayClassName="fixed inset-0 z-40 bg-[#000]/50" contentClassName="fixed top-24 left-1/2 z-50 w-[min(36rem,calc(100vw-2rem))] -translate-x-1/2 overflow-hidden rounded-xl border border-line bg-surface shadow-xl">
      <Command.Input placeholder="A page, a team, a service, a provider, a model, a call id …" className="h-12 w-full border-b border-line bg-transparent px-4 text-sm outline-none placeholder:text-muted" onKeyDown={(e) => {
        const text = e.currentTarget.value.trim();
        if (e.key === "Enter" && /^[0-9a-f]{8}-[0-9a-f-]{27}$/.test(text)) go("/calls?id=" + text)();
      }} />
      <Command.List className="max-h-80 overflow-auto p-2">
        <Command.Empty className="p-4 text-center text-sm text-muted">Nothing has this name. A call id and Enter shows the call.</Command.Empty>
        <Command.Group heading="Pages" className={group}>
          {pages.map(({ path, name, icon: Icon }) => <Command.Item key={path} value={name} onSelect={go(path)} className={item}><Icon className="size-4 text-muted" aria-hidden /> {name}</Command.Item>)}
        </Command.Group>
        <Command.Group heading="Teams" className={group}>
          {settings.data?.teams.map((t) => <Command.Item key={t} value={"team " + t} onSelect={go("/usage?by=service&filter=" + encodeURIComponent(joined(["team:" + t])))} className={item}>{t}</Command.Item>)}
        </Command.Group>
        <Command.Group heading="Services" className={group}>
          {settings.data?.services.map((s) => <Command.Item key={s.name} value={"service " + s.name} onSelect={go("/usage?by=model&filter=" + encodeURIComponent(joined(["service:" + s.name])))} className={item}>{s.name} <span className="text-muted">{s.team}</span></Command.Item>)}
        </Command.Group>
        <Providers go={go} />
        <Models go={go} />
      </Command.List>
    </Command.Dialog>
  );
}

type Go = (to: string) => () => void;

/** How many of a kind are offered, and how long the models were called that are. */
const offered = 200, modelDays = 30;

/** usageOf is the usage page of what one filter leaves. */
const usageOf = (by: string, filter: string) => `/usage?by=${by}&filter=${encodeURIComponent(joined([filter]))}`;

function Providers({ go }: { go: Go }) {
  const providers = useApi(["providers"], () => api.GET("/api/v1/providers"));
  return (
    <Command.Group heading="Providers" className={group}>
      {providers.data?.slice(0, offered).map((p) => <Command.Item key={p.name} value={"provider " + p.name} onSelect={go(usageOf("model", "provider:" + p.name))} className={item}>{p.name} <span className="text-muted">{p.host}</span></Command.Item>)}
    </Command.Group>
  );
}

/** Models are those that cost most in the last days: of one that nobody called there is no usage to see. */
function Models({ go }: { go: Go }) {
  const models = useApi(["models"], () => {
    const to = new Date(), from = new Date(to);
    from.setDate(to.getDate() - modelDays);
    return api.GET("/api/v1/usage", { params: { query: { from: from.toISOString(), to: to.toISOString(), by: ["model"], top: offered } } });
  });
  const names = models.data?.rows.flatMap((r) => r.keys[0] || []) ?? []; // calls without a model have an empty one
  return (
    <Command.Group heading={`Models of the last ${modelDays} days`} className={group}>
      {names.map((m) => <Command.Item key={m} value={"model " + m} onSelect={go(usageOf("service", "model:" + m))} className={item}><Name>{m}</Name></Command.Item>)}
    </Command.Group>
  );
}
