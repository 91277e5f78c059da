// Asks lib/complete.ts what fits at places of a policy, by the schema, and compares.
//
//   node complete.mjs

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import ts from "typescript";

const here = (path) => new URL(path, import.meta.url);
const { outputText } = ts.transpileModule(readFileSync(here("../lib/complete.ts"), "utf8"), { compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 } });
const { complete, place, placeOf } = await import("data:text/javascript," + encodeURIComponent(outputText));
const schema = JSON.parse(readFileSync(here("../../schemas/policies.schema.json"), "utf8"));
const names = { team: ["core", "growth"], provider: ["openai", "weather"], model: ["gpt-5", "o3"] };

const at = (before) => { const p = place(before); return p && `${p.path.join(".")} ${p.value ? "value" : "key"} ${p.written}`; };
for (const [before, want] of [
  ["", " key "], ["te", " key te"], ["teams:\n  ", "teams key "], ["teams:\n  core:\n    bud", "teams.core key bud"], ["teams:\n  core: {budget: {usd: 5/", "teams.core.budget.usd value 5/"],
  ["org: acme\ntimezone: Eu", "timezone value Eu"], ["policies:\n  - name: a\n    mat", "policies key mat"], ["policies:\n  - name: a\n    match: {team: core, mod", "policies.match key mod"],
  ["policies:\n  - match:\n      model: [gpt-5, o", "policies.match.model value o"], ["policies:\n  - match:\n      model:\n        - g", "policies.match.model key g"],
  ["teams:\n  core: {}\nser", " key ser"], ["teams:\n  # core:\n  gr", "teams key gr"], ["org: acme # a no", undefined], ['teams: {"a b": {bud', "teams.a b key bud"], ["teams: {}}", undefined],
]) assert.equal(at(before), want, JSON.stringify(before));

const fits = (before) => (complete(schema, names, before)?.options ?? []).map((o) => o.label);
for (const [before, some, not = []] of [
  ["", ["teams", "providers", "policies", "alerts"], ["usd"]], ["teams:\n  core:\n    ", ["budget"], ["teams"]], ["teams: {core: {budget: {mode: ", ["hard", "soft"], ["usd"]],
  ["policies:\n  - match:\n      team: ", ["core", "growth"]], ["policies:\n  - match: {provider: op", ["openai", "weather"]], ["policies:\n  - match:\n      model:\n        - ", ["gpt-5", "o3"]],
  ["policies:\n  - name: x\n    ", ["match", "budget", "limits"]], ["constructor:\n  ", [], ["teams"]], ["teams:\n  core:\n    __proto__: ", []],
]) {
  const got = fits(before);
  for (const o of some) assert.ok(got.includes(o), `${JSON.stringify(before)}: ${o} is not among ${got}`);
  for (const o of not) assert.ok(!got.includes(o), `${JSON.stringify(before)}: ${o} is among ${got}`);
  if (some.length === 0) assert.deepEqual(got, [], JSON.stringify(before));
}

assert.deepEqual(placeOf("policies.yaml:3:30: teams.core.budget[0].usd: no span"), { line: 3, column: 30, message: "teams.core.budget[0].usd: no span" });
assert.equal(placeOf("policies.yaml: too long"), undefined);
