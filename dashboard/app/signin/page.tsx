"use client";

import { Door } from "@/components/door";
import { Button, Fault, Field, Input } from "@/components/ui";
import { api, unwrap } from "@/lib/api";
import { useMutation, useQuery } from "@tanstack/react-query";
import { useState } from "react";

/** inside keeps a place on this origin: an address of another site after sign-in would be a trap. */
const inside = (next: string | null) => (next && /^\/(?![/\\])/.test(next) ? next : "/");

export default function SignIn() {
  const [name, setName] = useState(""), [password, setPassword] = useState("");
  const go = useMutation({
    mutationFn: () => unwrap(api.POST("/api/v1/session", { body: { name, password } })),
    onSuccess: () => window.location.replace(inside(new URLSearchParams(window.location.search).get("next"))),
  });
  const ways = useQuery({ queryKey: ["session", "ways"], queryFn: () => unwrap(api.GET("/api/v1/session/ways")) });
  return (
    <Door title="Sign in" lead="With the account that an admin made for you.">
      <form className="space-y-4" onSubmit={(e) => { e.preventDefault(); go.mutate(); }}>
        <Field label="Name"><Input required autoFocus autoComplete="username" value={name} onChange={(e) => setName(e.target.value)} /></Field>
        <Field label="Password"><Input required type="password" autoComplete="current-password" value={password} onChange={(e) => setPassword(e.target.value)} /></Field>
        <Fault error={go.error} />
        <Button kind="main" type="submit" className="w-full" disabled={go.isPending}>Sign in</Button>
      </form>
      {ways.data?.single_sign_on && (
        <a className="mt-4 block text-center underline" href={ways.data.at}>Sign in with {ways.data.single_sign_on}</a>
      )}
    </Door>
  );
}
