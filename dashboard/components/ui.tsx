"use client";

import { Problem } from "@/lib/api";
import { moment } from "@/lib/time";
import type { UseQueryResult } from "@tanstack/react-query";
import * as Dialog from "@radix-ui/react-dialog";
import { Inbox, TriangleAlert } from "lucide-react";
import type { ComponentProps, ReactNode } from "react";

/** join makes one class of those that hold. */
export const join = (...names: (string | false | undefined)[]) => names.filter(Boolean).join(" ");

export function Button({ kind = "plain", className, ...rest }: ComponentProps<"button"> & { kind?: "plain" | "main" | "danger" }) {
  const look = {
    plain: "border border-line bg-surface text-ink hover:bg-raised",
    main: "bg-accent text-onaccent hover:opacity-90",
    danger: "border border-line bg-surface text-bad hover:bg-raised",
  }[kind];
  return <button type="button" {...rest} className={join("inline-flex min-h-9 cursor-pointer items-center justify-center gap-2 rounded-md px-3 text-sm font-medium transition-colors disabled:cursor-not-allowed disabled:opacity-50", look, className)} />;
}

export function Input({ className, ...rest }: ComponentProps<"input">) {
  const width = !/\bw-/.test(className ?? "") && "w-full"; // of two widths the style sheet's order would choose
  return <input {...rest} className={join("min-h-9 rounded-md border border-line bg-surface px-3 text-sm text-ink placeholder:text-muted", width, className)} />;
}

export function Select({ className, ...rest }: ComponentProps<"select">) {
  return <select {...rest} className={join("min-h-9 max-w-[min(100%,16rem)] min-w-0 cursor-pointer rounded-md border border-line bg-surface px-2 text-sm text-ink", className)} />;
}

export function Field({ label, hint, children }: { label: string; hint?: string; children: ReactNode }) {
  return (
    <label className="flex flex-col gap-1.5 text-sm">
      <span className="font-medium">{label}</span>
      {children}
      {hint && <span className="text-xs text-muted">{hint}</span>}
    </label>
  );
}

export function Card({ title, aside, children, className }: { title?: ReactNode; aside?: ReactNode; children: ReactNode; className?: string }) {
  return (
    <section className={join("min-w-0 rounded-xl border border-line bg-surface", className)}>
      {(title || aside) && (
        <header className="flex flex-wrap items-center justify-between gap-2 px-4 pt-4">
          <h2 className="line-clamp-3 max-w-full min-w-0 text-sm font-semibold break-words">{title}</h2>
          <div className="flex max-w-full min-w-0 flex-wrap items-center gap-2 text-xs text-muted">{aside}</div>
        </header>
      )}
      <div className="p-4">{children}</div>
    </section>
  );
}

export function Tile({ label, value, note, tone }: { label: string; value: ReactNode; note?: ReactNode; tone?: "good" | "warn" | "bad" }) {
  return (
    <div className="min-w-0 rounded-xl border border-line bg-surface p-4">
      <p className="text-xs font-medium text-muted">{label}</p>
      <p className={join("mt-1.5 text-2xl font-semibold tracking-tight tabular-nums", tone && { good: "text-good", warn: "text-warn", bad: "text-bad" }[tone])}>{value}</p>
      <p className="mt-1 min-h-4 text-xs text-muted">{note}</p>
    </div>
  );
}

const tones: Record<string, string> = {
  ok: "text-good", active: "text-good", planned: "text-good", allow: "text-good", resolved: "text-good", fresh: "text-good",
  degraded: "text-warn", rotating: "text-warn", old: "text-warn", downgrade: "text-warn", warning: "text-warn", acknowledged: "text-warn", snoozed: "text-warn", throttle: "text-warn",
  sent: "text-good", ended: "text-good", waiting: "text-warn", began: "text-bad", dead: "text-bad",
  down: "text-bad", confirmed: "text-bad", deny: "text-bad", critical: "text-bad", open: "text-bad", stale: "text-bad",
};

export function Badge({ children }: { children: string }) {
  return (
    <span className={join("inline-flex items-center gap-1.5 rounded-full border border-line px-2 py-0.5 text-xs font-medium whitespace-nowrap", tones[children])}>
      <span aria-hidden className="size-1.5 rounded-full bg-current" />
      {children}
    </span>
  );
}

/** Meter shows how much of a limit is used. */
export function Meter({ share, label }: { share: number; label: string }) {
  const tone = share >= 1 ? "bg-bad" : share >= 0.8 ? "bg-warn" : "bg-accent";
  return (
    <div role="meter" aria-label={label} aria-valuemin={0} aria-valuemax={100} aria-valuenow={Math.min(100, Math.round(share * 100))} className="h-2 w-full min-w-24 overflow-hidden rounded-full bg-raised">
      <div className={join("h-full rounded-full", tone)} style={{ width: `${Math.min(100, share * 100)}%` }} />
    </div>
  );
}

/** Loaded shows an answer, or says that it is on its way, empty, refused or failed. */
export function Loaded<T>({ of: q, empty, children }: { of: UseQueryResult<T, Error>; empty?: (data: T) => ReactNode | false; children: (data: T) => ReactNode }) {
  if (q.data !== undefined) {
    const nothing = empty?.(q.data);
    if (nothing) return <Nothing>{nothing}</Nothing>;
    return <>{children(q.data)}</>;
  }
  if (q.error instanceof Problem && q.error.status === 403) return <Nothing icon={<TriangleAlert className="size-5" aria-hidden />}>{q.error.message}</Nothing>;
  if (q.error) {
    return (
      <div role="alert" className="flex flex-col items-center gap-3 py-8 text-sm text-muted">
        <TriangleAlert className="size-5 text-bad" aria-hidden />
        <p>{q.error.message}</p>
        <Button onClick={() => q.refetch()}>Try again</Button>
      </div>
    );
  }
  return (
    <div role="status" className="animate-pulse space-y-3 py-2">
      <span className="sr-only">Loading</span>
      {[80, 100, 60].map((w) => <div key={w} className="h-4 rounded bg-raised" style={{ width: `${w}%` }} />)}
    </div>
  );
}

type Pages<T> = Pick<UseQueryResult<unknown, Error>, "error"> & { data?: { pages: T[] }; hasNextPage: boolean; isFetchingNextPage: boolean; fetchNextPage: () => unknown; refetch: () => unknown };

/** Listed shows the pages of a list that are there, and asks for one more. */
export function Listed<P, T>({ of: q, rows, empty, children }: { of: Pages<P>; rows: (page: P) => T[]; empty: ReactNode; children: (rows: T[]) => ReactNode }) {
  const all = q.data?.pages.flatMap(rows);
  return (
    <Loaded of={{ data: all, error: q.error, refetch: q.refetch } as UseQueryResult<T[], Error>} empty={(l) => l.length === 0 && empty}>
      {(l) => (
        <>
          {children(l)}
          {q.hasNextPage && <div className="mt-4 text-center"><Button disabled={q.isFetchingNextPage} onClick={() => q.fetchNextPage()}>More</Button></div>}
          {q.data && q.error && <div className="mt-4"><Fault error={q.error} /></div>}
        </>
      )}
    </Loaded>
  );
}

export function Nothing({ children, icon }: { children: ReactNode; icon?: ReactNode }) {
  return (
    <div className="flex flex-col items-center gap-2 py-8 text-center text-sm text-muted">
      {icon ?? <Inbox className="size-5" aria-hidden />}
      <div>{children}</div>
    </div>
  );
}

/** Name is a text of somebody else's, of any length and letters: it stays within its place, whatever way it is written. */
export function Name({ children: text, className }: { children: string; className?: string }) {
  const width = !/\bmax-w-/.test(className ?? "") && "max-w-44 sm:max-w-80"; // on a telephone the columns beside it are seen, too
  return <bdi title={text.length > 40 ? text.slice(0, 2000) : undefined} className={join("line-clamp-3 min-w-0 break-words", width, className)}>{text}</bdi>;
}

/** When is a moment at the viewer's clock, on one line. */
export function When({ at }: { at?: string }) {
  return <time dateTime={at} className="whitespace-nowrap">{moment(at)}</time>;
}

export function Modal({ open, onClose, title, children }: { open: boolean; onClose: () => void; title: string; children: ReactNode }) {
  return (
    <Dialog.Root open={open} onOpenChange={(o) => !o && onClose()}>
      <Dialog.Portal>
        <Dialog.Overlay className="fixed inset-0 z-40 bg-[#000]/50" />
        <Dialog.Content aria-describedby={undefined} className="fixed top-1/2 left-1/2 z-50 max-h-[90vh] w-[min(32rem,calc(100vw-2rem))] -translate-x-1/2 -translate-y-1/2 overflow-auto rounded-xl border border-line bg-surface p-5 shadow-xl">
          <Dialog.Title className="mb-4 line-clamp-3 text-base font-semibold break-words">{title}</Dialog.Title>
          {children}
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  );
}

export function Fault({ error }: { error: Error | null }) {
  if (!error) return null;
  return (
    <div role="alert" className="rounded-md border border-line bg-raised p-3 text-sm text-bad">
      <p>{error.message}</p>
      {error instanceof Problem && error.details.length > 0 && <ul className="mt-1 list-disc space-y-1 pl-5 font-mono text-xs">{error.details.map((d) => <li key={d}>{d}</li>)}</ul>}
    </div>
  );
}

export function Page({ title, lead, aside, children }: { title: string; lead?: ReactNode; aside?: ReactNode; children: ReactNode }) {
  return (
    <>
      <div className="mb-5 flex flex-wrap items-end justify-between gap-3">
        <div className="min-w-0">
          <h1 className="text-xl font-semibold tracking-tight">{title}</h1>
          {lead && <p className="mt-1 max-w-3xl text-sm text-muted">{lead}</p>}
        </div>
        <div className="flex max-w-full min-w-0 flex-wrap items-center gap-2">{aside}</div>
      </div>
      <div className="space-y-4">{children}</div>
    </>
  );
}
