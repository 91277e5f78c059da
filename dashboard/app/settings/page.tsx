"use client";

import { right, Table } from "@/components/table";
import { Button, Card, Fault, Field, Input, Loaded, Modal, Page, Select, When } from "@/components/ui";
import { api, unwrap, useApi, useMay, useRefresh, useSession, useSettings, type Schemas } from "@/lib/api";
import { reachable } from "@/lib/url";
import { setTheme, useTheme, type Theme } from "@/lib/theme";
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { Configuration, Keys, Token } from "./keys";

const roles = { viewer: "looks at everything", "team-admin": "changes the limits of one team", operator: "answers alerts, changes limits", admin: "changes policies and accounts" };

export default function SettingsPage() {
  const settings = useSettings();
  const admin = useMay("admin"), operator = useMay("operator");
  return (
    <Page title="Settings">
      <Card title="Organisation">
        <Loaded of={settings}>
          {(s) => (
            <dl className="grid grid-cols-[8rem_minmax(0,1fr)] gap-y-2 text-sm">
              {[["Name", s.org], ["Time zone", s.zone], ["Gateway", reachable(s.gateway)], ["Teams", s.teams.join(", ")], ["Release", s.version || "development"]].map(([k, v]) => <div key={k} className="contents"><dt className="text-muted">{k}</dt><dd className="break-words">{v}</dd></div>)}
            </dl>
          )}
        </Loaded>
        <p className="mt-3 text-xs text-muted">These come from the policy and from sentinel.yaml.</p>
      </Card>
      {admin && <Accounts />}
      <Token />
      <Keys />
      {operator && <Configuration />}
      <Appearance />
    </Page>
  );
}

/** Appearance is this browser's own. */
function Appearance() {
  const { theme } = useTheme();
  return (
    <Card title="Appearance">
      <Field label="Colours" hint="Kept in this browser."><Select value={theme} onChange={(e) => setTheme(e.target.value as Theme)}><option value="system">as the system</option><option value="light">light</option><option value="dark">dark</option></Select></Field>
    </Card>
  );
}

function Accounts() {
  const refresh = useRefresh();
  const me = useSession();
  const accounts = useApi(["accounts"], () => api.GET("/api/v1/accounts"));
  const [edited, setEdited] = useState<Schemas["Account"] | "new">();
  const remove = useMutation({ mutationFn: (a: Schemas["Account"]) => unwrap(api.DELETE("/api/v1/accounts/{name}", { params: { path: { name: a.name }, header: { "If-Match": a.etag } } })), onSuccess: () => refresh("accounts", "audit") });
  return (
    <Card title="Accounts" aside={<Button onClick={() => setEdited("new")}>Add …</Button>}>
      <Loaded of={accounts}>
        {(l) => (
          <Table caption="Accounts" rows={l ?? []} id={(a) => a.name} sort="sort-accounts" columns={[
            { id: "name", header: "Name", accessorKey: "name" }, { id: "role", header: "Role", accessorKey: "role", cell: ({ row: { original: a } }) => <>{a.role}{a.team && ` of ${a.team}`}<span className="block text-xs text-muted">{roles[a.role]}</span></> },
            { id: "since", header: "Since", accessorKey: "created", cell: ({ row: { original: a } }) => <When at={a.created} /> },
            { id: "actions", header: "", meta: right, cell: ({ row: { original: a } }) => (
              <span className="inline-flex items-center gap-2">
                <Button aria-label={`Edit ${a.name}`} onClick={() => setEdited(a)}>Edit</Button>
                {a.name === me.data?.name ? "you" : <Button kind="danger" aria-label={`Remove ${a.name}`} onClick={() => confirm(`Remove ${a.name}? The sessions end at once.`) && remove.mutate(a)}>Remove</Button>}
              </span>
            ) },
          ]} />
        )}
      </Loaded>
      <Fault error={remove.error} />
      <Modal open={!!edited} onClose={() => setEdited(undefined)} title={edited === "new" ? "New account" : `Account ${edited?.name}`}>
        {edited && <Account of={edited === "new" ? undefined : edited} done={() => { setEdited(undefined); refresh("accounts", "audit"); }} />}
      </Modal>
    </Card>
  );
}

/** Account adds an account, or changes the one that was seen: neither overwrites what somebody else has made meanwhile. */
function Account({ of, done }: { of?: Schemas["Account"]; done: () => void }) {
  const settings = useSettings();
  const [name, setName] = useState(of?.name ?? ""), [role, setRole] = useState<keyof typeof roles>(of?.role ?? "viewer"), [team, setTeam] = useState(of?.team ?? ""), [password, setPassword] = useState("");
  const put = useMutation({
    mutationFn: () => unwrap(api.PUT("/api/v1/accounts/{name}", { params: { path: { name }, header: of ? { "If-Match": of.etag } : { "If-None-Match": "*" } }, body: { role, team: role === "team-admin" ? team || settings.data?.teams[0] : undefined, password: password || undefined } })),
    onSuccess: done,
  });
  return (
    <form className="space-y-4" onSubmit={(e) => { e.preventDefault(); put.mutate(); }}>
      <Field label="Name"><Input required maxLength={100} value={name} onChange={(e) => setName(e.target.value)} disabled={!!of} autoFocus={!of} /></Field>
      <Field label="Role" hint={roles[role]}><Select value={role} onChange={(e) => setRole(e.target.value as keyof typeof roles)}>{Object.keys(roles).map((r) => <option key={r}>{r}</option>)}</Select></Field>
      {role === "team-admin" && <Field label="Team"><Select value={team} onChange={(e) => setTeam(e.target.value)}>{settings.data?.teams.map((t) => <option key={t}>{t}</option>)}</Select></Field>}
      <Field label="Password" hint={of ? "At least 12 characters. Left empty, the account keeps its own." : "At least 12 characters."}><Input type="password" required={!of} autoComplete="new-password" value={password} onChange={(e) => setPassword(e.target.value)} /></Field>
      <Fault error={put.error} />
      <Button kind="main" type="submit" disabled={put.isPending}>Save</Button>
    </form>
  );
}
