"use client";

import { useSettings } from "@/lib/api";
import { Command } from "cmdk";
import { useRouter } from "next/navigation";
import { useEffect } from "react";
import { pages } from "./shell";
import { joined } from "@/lib/url";

/** Palette finds pages, teams and services by the keyboard. */
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
  const item = "flex min-h-9 cursor-pointer items-center gap-2 rounded-md px-2 text-sm data-[selected=true]:bg-raised";
  const group = "[&_[cmdk-group-heading]]:px-2 [&_[cmdk-group-heading]]:py-1.5 [&_[cmdk-group-heading]]:text-xs [&_[cmdk-group-heading]]:text-muted";
  return (
    <Command.Dialog open={open} onOpenChange={setOpen} label="Search" overlayClassName="fixed inset-0 z-40 bg-[#000]/50" contentClassName="fixed top-24 left-1/2 z-50 w-[min(36rem,calc(100vw-2rem))] -translate-x-1/2 overflow-hidden rounded-xl border border-line bg-surface shadow-xl">
      <Command.Input placeholder="A page, a team, a service, a call id …" className="h-12 w-full border-b border-line bg-transparent px-4 text-sm outline-none placeholder:text-muted" onKeyDown={(e) => {
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
      </Command.List>
    </Command.Dialog>
  );
}
