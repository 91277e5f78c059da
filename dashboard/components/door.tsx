"use client";

import { Activity } from "lucide-react";
import type { ReactNode } from "react";

/** Door is the frame of the pages outside: sign-in and set-up. */
export function Door({ title, lead, children }: { title: string; lead: string; children: ReactNode }) {
  return (
    <div className="rounded-xl border border-line bg-surface p-6">
      <p className="mb-4 flex items-center gap-2 text-sm font-semibold"><Activity className="size-4 text-accent" aria-hidden /> SaaS-Sentinel</p>
      <h1 className="text-lg font-semibold tracking-tight">{title}</h1>
      <p className="mt-1 mb-5 text-sm text-muted">{lead}</p>
      {children}
    </div>
  );
}
