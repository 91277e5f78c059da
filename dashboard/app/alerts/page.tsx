"use client";

import { Page } from "@/components/ui";
import { useAddress } from "@/lib/url";
import { Incidents } from "./incidents";
import { Evaluations, Messages, Rules } from "./rules";
import { Silences } from "./silences";

const parts = { incidents: "Incidents", silences: "Silences", rules: "Rules", messages: "Messages", evaluations: "Evaluations" } as const;
type Part = keyof typeof parts;

export default function AlertsPage() {
  const [address, set] = useAddress();
  const asked = address.get("part") ?? "incidents";
  const part: Part = asked in parts ? (asked as Part) : "incidents";
  return (
    <Page title="Alerts" lead="Incidents from first sight to their end. Answering one answers its group, here and in the channels.">
      <nav aria-label="Parts of alerts" className="flex flex-wrap gap-1 border-b border-line">
        {Object.entries(parts).map(([k, v]) => (
          <button key={k} type="button" aria-current={k === part ? "page" : undefined} onClick={() => set({ part: k === "incidents" ? undefined : k, show: undefined })}
            className={`-mb-px min-h-9 cursor-pointer border-b-2 px-3 text-sm font-medium ${k === part ? "border-accent" : "border-transparent text-muted"}`}>{v}</button>
        ))}
      </nav>
      {part === "incidents" && <Incidents all={address.get("show") === "all"} show={(all) => set({ show: all ? "all" : undefined })} />}
      {part === "silences" && <Silences />}
      {part === "rules" && <Rules />}
      {part === "messages" && <Messages />}
      {part === "evaluations" && <Evaluations />}
    </Page>
  );
}
