"use client";

import { Door } from "@/components/door";
import { Button, Fault, Field, Input } from "@/components/ui";
import { api, unwrap } from "@/lib/api";
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";

export default function SetUp() {
  const [name, setName] = useState(""), [password, setPassword] = useState("");
  const go = useMutation({
    mutationFn: () => unwrap(api.POST("/api/v1/setup", { body: { link: window.location.hash.slice(1) || "none", name, password } })),
    onSuccess: () => window.location.replace("/connect"),
  });
  return (
    <Door title="Make the first account" lead="It is an admin and makes the others. The link that brought you here works once.">
      <form className="space-y-4" onSubmit={(e) => { e.preventDefault(); go.mutate(); }}>
        <Field label="Name"><Input required autoFocus autoComplete="username" pattern="[A-Za-z0-9._@+\-]+" value={name} onChange={(e) => setName(e.target.value)} /></Field>
        <Field label="Password" hint="At least 12 characters."><Input required minLength={12} type="password" autoComplete="new-password" value={password} onChange={(e) => setPassword(e.target.value)} /></Field>
        <Fault error={go.error} />
        <Button kind="main" type="submit" className="w-full" disabled={go.isPending}>Make the account</Button>
      </form>
    </Door>
  );
}
