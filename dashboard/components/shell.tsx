"use client";

import { api, Problem, useRefresh, useSession } from "@/lib/api";
import { setTheme, useTheme } from "@/lib/theme";
import { QueryClient, QueryClientProvider, useQueryClient } from "@tanstack/react-query";
import { Activity, Bell, ChartSpline, ChartNoAxesCombined, Gauge, KeyRound, LayoutDashboard, ListTree, LogOut, Menu, Moon, Plug, ScrollText, Search, Settings, ShieldCheck, Sun } from "lucide-react";
import Link from "next/link";
import { usePathname, useRouter } from "next/navigation";
import { useEffect, useState, type ReactNode } from "react";
import { Palette } from "./palette";
import { Button } from "./ui";

export const pages = [
  { path: "/", name: "Overview", icon: LayoutDashboard },
  { path: "/usage", name: "Usage", icon: ChartNoAxesCombined },
  { path: "/calls", name: "Calls", icon: ListTree },
  { path: "/limits", name: "Budgets and limits", icon: Gauge },
  { path: "/policy", name: "Policy", icon: ScrollText },
  { path: "/anomalies", name: "Anomalies", icon: ChartSpline },
  { path: "/alerts", name: "Alerts", icon: Bell },
  { path: "/providers", name: "Keys and callers", icon: KeyRound },
  { path: "/audit", name: "Audit", icon: ShieldCheck },
  { path: "/connect", name: "Connect", icon: Plug },
  { path: "/settings", name: "Settings", icon: Settings },
];

const outside = ["/signin", "/setup"];

export function Shell({ children }: { children: ReactNode }) {
  const [client] = useState(() => new QueryClient({ defaultOptions: { queries: { staleTime: 5_000, retry: (n, e) => n < 2 && !(e instanceof Problem && e.status < 500) } } }));
  const path = trim(usePathname());
  return (
    <QueryClientProvider client={client}>
      {outside.includes(path) ? <main className="mx-auto flex min-h-dvh max-w-sm flex-col justify-center p-4">{children}</main> : <Inside path={path}>{children}</Inside>}
    </QueryClientProvider>
  );
}

const trim = (path: string) => (path.length > 1 ? path.replace(/\/$/, "") : path);

function Inside({ path, children }: { path: string; children: ReactNode }) {
  const session = useSession();
  const router = useRouter();
  const [menu, setMenu] = useState(false);
  const [search, setSearch] = useState(false);
  const out = session.error instanceof Problem && session.error.status === 401;
  useEffect(() => {
    if (out) router.replace("/signin?next=" + encodeURIComponent(window.location.pathname + window.location.search));
  }, [out, router]);
  useEffect(() => setMenu(false), [path]);
  useLive(!!session.data);
  if (!session.data) return <p role="status" className="p-8 text-sm text-muted">{session.error && !out ? session.error.message : "Loading …"}</p>;
  return (
    <div className="lg:grid lg:grid-cols-[15rem_1fr]">
      <a href="#content" className="sr-only focus:not-sr-only focus:absolute focus:z-50 focus:bg-surface focus:p-3">Skip to the content</a>
      <header className="flex items-center justify-between border-b border-line bg-surface px-4 py-2 lg:hidden">
        <Brand />
        <Button aria-expanded={menu} aria-controls="menu" aria-label="Menu" onClick={() => setMenu(!menu)}><Menu className="size-4" aria-hidden /></Button>
      </header>
      <nav id="menu" aria-label="Pages" className={`${menu ? "" : "hidden"} border-b border-line bg-surface p-3 lg:sticky lg:top-0 lg:flex lg:h-dvh lg:flex-col lg:border-r lg:border-b-0`}>
        <div className="mb-4 hidden px-2 pt-1 lg:block"><Brand /></div>
        <button type="button" onClick={() => setSearch(true)} className="mb-3 flex min-h-9 w-full cursor-pointer items-center gap-2 rounded-md border border-line px-2.5 text-sm text-muted hover:bg-raised">
          <Search className="size-4" aria-hidden /> Search <kbd className="ml-auto rounded border border-line px-1 text-xs">⌘K</kbd>
        </button>
        <ul className="space-y-0.5">
          {pages.map(({ path: to, name, icon: Icon }) => (
            <li key={to}>
              <Link href={to} prefetch={false} aria-current={path === to ? "page" : undefined} className="flex min-h-9 items-center gap-2.5 rounded-md px-2.5 text-sm text-muted hover:bg-raised hover:text-ink aria-[current=page]:bg-raised aria-[current=page]:font-medium aria-[current=page]:text-ink">
                <Icon className="size-4 shrink-0" aria-hidden /> {name}
              </Link>
            </li>
          ))}
        </ul>
        <p className="mt-auto px-2 pt-4 text-xs text-muted">{zones(session.data.zone)}</p>
        <div className="flex items-center justify-between gap-2 px-2 pt-2 text-xs text-muted">
          <span className="min-w-0 truncate" title={session.data.role}>{session.data.name} · {session.data.org}</span>
          <span className="flex gap-1"><Theme /><SignOut /></span>
        </div>
      </nav>
      <main id="content" className="mx-auto w-full max-w-7xl min-w-0 p-4 lg:p-8">{children}</main>
      <Palette open={search} setOpen={setSearch} />
    </div>
  );
}

/** zones says whose clock times and days follow. */
function zones(org: string): string {
  const own = Intl.DateTimeFormat().resolvedOptions().timeZone;
  return own === org ? `Times in ${own}` : `Times in ${own}, days and months in ${org}`;
}

function Brand() {
  return <span className="flex items-center gap-2 text-sm font-semibold tracking-tight"><Activity className="size-4 text-accent" aria-hidden /> SaaS-Sentinel</span>;
}

/** Theme turns the colours over. */
function Theme() {
  const { dark } = useTheme();
  const Icon = dark ? Sun : Moon;
  return <button type="button" aria-label={dark ? "Light colours" : "Dark colours"} className="cursor-pointer rounded p-1.5 hover:bg-raised hover:text-ink" onClick={() => setTheme(dark ? "light" : "dark")}><Icon className="size-4" aria-hidden /></button>;
}

function SignOut() {
  const router = useRouter();
  const refresh = useRefresh();
  return (
    <button type="button" aria-label="Sign out" className="cursor-pointer rounded p-1.5 hover:bg-raised hover:text-ink" onClick={async () => {
      await api.DELETE("/api/v1/session");
      refresh("session");
      router.replace("/signin");
    }}><LogOut className="size-4" aria-hidden /></button>
  );
}

const askEvery = 1_000; // milliseconds from the end of a refresh of what is shown to the next one: a database that is slow is asked less often
const connectAfter = 5_000; // milliseconds, and up to as many more: many pages may have lost a gateway at once

/** useLive asks again for what has changed when the gateway says that something was booked: at once, or when what is being asked has been answered. */
function useLive(signedIn: boolean) {
  const client = useQueryClient();
  useEffect(() => {
    if (!signedIn) return;
    let stream: EventSource | undefined, again: number | undefined, due: number | undefined, asked = 0, first = true, asking = false, news = false;
    const ask = async () => {
      due = undefined;
      news = false;
      asking = true;
      await client.invalidateQueries({ queryKey: ["ledger"] });
      asking = false;
      asked = Date.now();
      if (news) soon();
    };
    const soon = () => {
      if (asking) news = true; // a question that takes long would never be answered if it were asked anew
      else due ??= window.setTimeout(() => void ask(), Math.max(0, asked + askEvery - Date.now()));
    };
    const connect = () => {
      const s = (stream = new EventSource("/api/v1/events"));
      s.addEventListener("ledger", () => {
        if (!first) soon();
        first = false; // it tells where the ledger is, and the page has just asked
      });
      s.onerror = () => {
        if (s.readyState === EventSource.CLOSED) again = window.setTimeout(connect, connectAfter * (1 + Math.random())); // by an answer such as 503, after which browsers try no more
      };
    };
    connect();
    return () => {
      stream?.close();
      window.clearTimeout(again);
      window.clearTimeout(due);
    };
  }, [signedIn, client]);
}
