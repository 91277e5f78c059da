// Walks through the whole dashboard in a real browser and prints what it saw as JSON. The Go test in e2e starts the gateway,
// seeds the ledger, and judges.
//
//   URL=http://127.0.0.1:18002 LINK=<setup link> SHOTS=<folder> node walk.mjs

import { readFileSync, mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const { URL: base, LINK: link, SHOTS: shots, CALL: call, GATEWAY: gateway, TOKEN: token } = process.env;
if (shots) mkdirSync(shots, { recursive: true });
const password = "correct horse battery staple";
const out = { errors: [], axe: [], pages: {}, wide: [], writes: [], sorted: [], ran: false, live_ms: 0, tile_ms: 0 };

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"] });
const context = await browser.newContext({ viewport: { width: 1360, height: 900 }, bypassCSP: false, timezoneId: "Europe/Berlin", locale: "en-US" });
await context.addInitScript(() => { window.hostile = () => { document.documentElement.dataset.hostile = "ran"; }; });
const page = await context.newPage();
page.setDefaultTimeout(30_000);
const expected = { 401: /\/api\/v1\/session$/, 404: /\/nowhere$/, 412: /\/api\/v1\/accounts\/vera$/ }; // what the browser says of these answers is no error of ours
page.on("console", (m) => {
  const status = /the server responded with a status of (\d+)/.exec(m.text())?.[1];
  if (m.type() === "error" && !(status && expected[status]?.test(m.location().url))) out.errors.push(`${page.url()}: ${m.text()} ${m.location().url}`);
});
page.on("pageerror", (e) => out.errors.push(`${page.url()}: ${e}`));
page.on("dialog", (d) => d.accept());
page.on("response", (r) => { // what the pages wrote, and not what this script asks by itself
  const { pathname } = new URL(r.url()), method = r.request().method();
  if (method !== "GET" && r.ok() && pathname.startsWith("/api/")) out.writes.push(`${method} ${pathname}`);
});

const shot = async (name) => { if (shots) await page.screenshot({ path: `${shots}/${name}.png`, fullPage: true }); };
const settle = async () => { await page.waitForFunction(() => document.querySelectorAll("[role=status], .animate-pulse").length === 0); };

async function judge(name) {
  await settle();
  const cdp = await context.newCDPSession(page); // evaluated past the page's own policy, as a user's extension is
  await cdp.send("Runtime.evaluate", { expression: axe });
  const { result } = await cdp.send("Runtime.evaluate", { expression: "axe.run(document, {resultTypes: ['violations']}).then(r => JSON.stringify(r.violations.filter(v => ['serious', 'critical'].includes(v.impact)).map(v => v.id + ': ' + v.nodes.slice(0, 3).map(n => n.html.slice(0, 160)).join(' | '))))", awaitPromise: true, returnByValue: true });
  for (const v of JSON.parse(result.value)) out.axe.push(`${name}: ${v}`);
  if (await page.evaluate(() => document.documentElement.dataset.hostile)) out.ran = true;
  out.pages[name] = await page.locator("body").innerText();
}

// Without an account a page leads to the sign-in; the link makes the first account.
await page.goto(base + "/usage?by=model");
await page.waitForURL(/\/signin\?next=/);
await judge("signin");
await page.goto(link);
await judge("setup");
await page.getByLabel("Name").fill("ada");
await page.getByLabel("Password").fill(password);
await page.getByRole("button", { name: "Make the account" }).click();
await page.waitForURL(/\/connect/);
await settle();

// Every page, light and dark, and on a telephone.
const pages = ["/", "/usage", "/usage?period=week&by=model", "/usage?by=day", "/usage?by=user", "/calls", "/calls?id=" + call, "/limits", "/policy", "/anomalies", "/anomalies?service=app&hours=24", "/alerts", "/alerts?part=silences", "/alerts?part=rules", "/alerts?part=messages", "/alerts?part=evaluations", "/providers", "/audit", "/connect", "/settings", "/nowhere"];
for (const scheme of ["light", "dark"]) {
  await page.emulateMedia({ colorScheme: scheme, reducedMotion: "reduce" });
  for (const path of pages) {
    await page.goto(base + path);
    const name = `${scheme} ${path}`;
    await page.locator("h1").first().waitFor();
    if (path.includes("service=app")) await page.locator(".recharts-area-area").waitFor(); // the band is drawn
    await judge(name);
    await shot(name.replaceAll(/[^a-z]+/g, "-"));
  }
}
await page.setViewportSize({ width: 375, height: 800 });
for (const path of pages.filter((p) => !/[?&](part|period|service)=/.test(p))) {
  await page.goto(base + path);
  await page.locator("h1").first().waitFor();
  await judge("phone " + path);
  if (await page.evaluate(() => document.documentElement.scrollWidth > window.innerWidth + 1)) out.wide.push(path);
  if (path === "/limits") {
    const within = await page.getByRole("button", { name: "Change", exact: true }).evaluateAll((list) => list.map((b) => b.getBoundingClientRect().right <= b.closest("[role=region]").getBoundingClientRect().right));
    out.pages["limits are changed on a telephone"] = String(within.length > 0 && within.every(Boolean));
  }
  await shot("phone " + path.replaceAll(/[^a-z]+/g, "-"));
}
await page.setViewportSize({ width: 1360, height: 900 });

// A call through the gateway shows by itself.
await page.goto(base + "/calls");
await settle();
const answer = await fetch(gateway + "/weather/v1/forecast/live-city", { headers: { Authorization: "Bearer " + token } });
await answer.arrayBuffer();
const began = Date.now();
const id = answer.headers.get("x-sentinel-call");
for (const rows = page.locator("tbody tr"); ;) {
  if ((await rows.first().innerText()).includes("weather")) break;
  if (Date.now() - began > 20_000) { out.errors.push(`the call ${id} did not show within 20 s`); break; }
  await page.waitForTimeout(100);
}
out.live_ms = Date.now() - began;

// So does the next one, on the overview's tiles. It spends what the rule of forecasts warns at, which opens an incident.
await page.goto(base + "/");
await settle();
const tile = page.locator("p", { hasText: "Calls in the last hour" }).locator("xpath=following-sibling::p").first();
await tile.waitFor();
const before = await tile.innerText();
await (await fetch(gateway + "/weather/v1/forecast/live-town", { headers: { Authorization: "Bearer " + token } })).arrayBuffer();
const called = Date.now();
await page.waitForFunction(({ tile, before }) => tile.innerText !== before, { tile: await tile.elementHandle(), before }, { polling: 50, timeout: 20_000 });
out.tile_ms = Date.now() - called;
await page.goto(base + "/alerts");
const reached = page.getByText(/^forecasts: budget\/day has reached 60 %/);
await reached.waitFor();
await page.getByRole("button", { name: "Messages", exact: true }).click();
await page.getByRole("row", { name: /finops/ }).getByText("sent", { exact: true }).waitFor();
await page.getByRole("button", { name: "Incidents", exact: true }).click();
await page.getByRole("button", { name: "Acknowledge" }).click();
await page.getByText("acknowledged", { exact: true }).waitFor();
await page.getByRole("button", { name: "History" }).click();
await page.getByRole("listitem").filter({ hasText: /acknowledged.* by ada/ }).last().waitFor();
await judge("incident answered");
await shot("incident");
await page.goto(base + "/alerts?part=evaluations");
await reached.waitFor();

// Every kind of write.
await page.goto(base + "/limits");
await page.getByRole("button", { name: "Change" }).first().click();
await page.getByLabel(/New amount/).fill("123.45");
await page.getByLabel("Why").fill("launch week");
await page.getByRole("button", { name: "Override" }).click();
await page.getByText("override until").waitFor();
await page.getByRole("button", { name: /^History of / }).first().click();
await page.getByText("launch week").last().waitFor();
await judge("limit's history");
await page.keyboard.press("Escape");
await page.getByRole("button", { name: "Change" }).first().click();
await page.getByRole("button", { name: "End the override" }).click();
await page.getByText("override until").waitFor({ state: "detached" });
const spent = page.getByRole("row", { name: /forecasts/ });
await spent.getByText("$0.200").waitFor();
await spent.getByRole("button", { name: "Change" }).click();
await page.getByRole("button", { name: "Reset the count" }).click();
await spent.getByText("0 %", { exact: true }).waitFor();

// From the days of a quarter to the calls since one of them.
await page.goto(base + "/usage?period=quarter&by=day");
await settle();
await page.locator("section", { hasText: "Sums" }).locator("tbody button").first().click();
await page.waitForURL((u) => u.searchParams.has("from") && u.searchParams.get("by") === "team");
await settle();
await page.getByLabel("To", { exact: true }).fill(new Date().toISOString().slice(0, 10));
await page.waitForURL((u) => u.searchParams.get("to") !== u.searchParams.get("from"));
await judge("usage of dates");
await page.locator("section", { hasText: "Sums" }).locator("tbody a").first().click();
await page.waitForURL(/\/calls\?.*from=/);
await judge("calls of dates");

// Heads sort a table, by the keyboard and by the pointer, and the address holds the order. A sum stays below, and what no column is called sorts nothing.
await page.goto(base + "/usage?period=week&by=model");
await settle();
const sums = page.getByRole("region", { name: "Sums by model" }), head = sums.getByRole("columnheader", { name: "Calls", exact: true }), turn = head.getByRole("button");
const order = async () => out.sorted.push({
  aria: await head.getAttribute("aria-sort"), part: new URL(page.url()).searchParams.get("sort") ?? "", focused: await turn.evaluate((b) => b === document.activeElement),
  calls: await sums.locator("tbody tr").evaluateAll((list) => list.map((r) => Number(r.cells[4].innerText.replaceAll(",", "")))),
});
await order();
await turn.focus();
for (const _ of ["down", "up"]) {
  await page.keyboard.press("Enter");
  await order();
}
await judge("usage sorted");
await page.reload();
await settle();
await order();
await turn.click();
await order();
await page.goto(base + "/usage?period=week&by=model&sort=__proto__&sort-latency=key");
await settle();
out.pages["latency by model"] = (await page.getByRole("region", { name: "Latency and errors by model" }).locator("tbody tr").evaluateAll((list) => list.map((r) => r.cells[0].innerText))).join(" | ");

// A filter's value may have what stands between filters.
await page.goto(base + "/calls?filter=" + encodeURIComponent("action:allow"));
await page.getByLabel("Filter", { exact: true }).fill("model:a|b\\c");
await page.keyboard.press("Enter");
await page.getByRole("button", { name: "model is a|b\\c: remove the filter" }).waitFor();
await page.getByText("No call fits.").waitFor();
out.pages["filters"] = String(await page.getByRole("list", { name: "Filters" }).getByRole("listitem").count());

// The editor offers what the schema has, marks faults at their line, and takes back what was written.
await page.goto(base + "/policy");
const editor = page.getByLabel("Policy", { exact: true });
await editor.waitFor();
const end = async (text) => { await editor.click(); await page.keyboard.press("Control+End"); await page.keyboard.insertText(text); };
await end("nonsense: 1");
await page.locator(".cm-lintRange-error", { hasText: "nonsense" }).waitFor();
await page.getByText("unknown key").first().waitFor();
await page.locator(".cm-lint-marker-error").waitFor();
out.pages["policy faults"] = await page.locator("main").innerText();
await judge("policy with a fault");
await shot("policy-fault");
await page.getByRole("button", { name: "Take back" }).click();
await editor.click();
await page.keyboard.press("Control+End");
await page.keyboard.type("poli");
await page.locator(".cm-tooltip-autocomplete").getByText("policies", { exact: true }).waitFor();
await shot("policy-completion");
await page.waitForTimeout(100); // an option is not taken that has only just been offered
await page.keyboard.press("Enter");
await page.locator(".cm-line", { hasText: /^policies: $/ }).waitFor();
await page.getByRole("button", { name: "Take back" }).click();
await end("# reviewed\n");
await page.getByText("It compiles").waitFor();
await page.getByRole("button", { name: "Simulate" }).click();
await page.getByText("calls are judged otherwise").waitFor();
out.pages["simulation"] = await page.locator("main").innerText();
await page.getByRole("button", { name: "Publish …" }).click();
await page.getByLabel("Reason").fill("a note");
await page.getByRole("button", { name: "Publish", exact: true }).click();
await page.getByText("Edit the policy").waitFor();
await page.getByRole("cell", { name: "a note" }).waitFor();
await page.getByRole("button", { name: "Suggest", exact: true }).click();
await page.getByText("Rules to paste").waitFor({ timeout: 60000 }); // a month of calls is judged once a suggestion
await judge("policy suggestions");
await page.getByRole("button", { name: /^Roll back to / }).first().click();
await page.getByText("-# reviewed").waitFor();
await page.getByLabel("Reason").fill("not needed");
await page.getByRole("button", { name: "Roll back", exact: true }).last().click();
await page.getByRole("cell", { name: "not needed" }).waitFor();
await judge("policy versions");
await shot("policy-versions");

// Maintenance from its begin to its end, and a sample to a rule's channels.
await page.goto(base + "/alerts?part=silences");
await page.getByRole("button", { name: "Silence …" }).click();
await page.getByLabel(/^Rules/).fill("err*");
await page.getByLabel("Why").fill("their maintenance");
await judge("silence asked for");
await page.getByRole("button", { name: "Silence it" }).click();
await page.getByRole("cell", { name: /their maintenance/ }).waitFor();
await page.getByRole("button", { name: "End the silence of err*" }).click();
await page.getByText("Nothing is silenced.").waitFor();
await page.getByRole("button", { name: "Rules", exact: true }).click();
await page.getByRole("button", { name: /^Send a sample of / }).first().click();
await page.getByText(/: .+ \(\d+ ms\)$/).first().waitFor({ timeout: 60000 });
out.pages["sample sent"] = await page.locator("main").innerText();

await page.goto(base + "/settings");
await page.getByRole("button", { name: "Add …" }).click();
await page.getByLabel("Name").fill("vera");
await page.getByLabel("Password").fill(password);
await page.getByRole("button", { name: "Save" }).click();
await page.getByRole("cell", { name: "vera", exact: true }).waitFor();
await page.getByRole("button", { name: "Add …" }).click();
await page.getByLabel("Name").fill("vera");
await page.getByLabel("Password").fill(password);
await page.getByRole("button", { name: "Save" }).click();
await page.getByText("there is an account vera already").waitFor();
await page.keyboard.press("Escape");
await page.getByRole("button", { name: "Edit vera" }).click();
await page.getByLabel("Role").selectOption("operator");
await page.getByRole("button", { name: "Save" }).click();
await page.getByText("answers alerts, changes limits").waitFor();
await page.getByRole("button", { name: "Edit vera" }).click();
out.pages["account as it is"] = await page.getByLabel("Role").inputValue();
await page.getByLabel("Role").selectOption("viewer");
await page.getByRole("button", { name: "Save" }).click();
await page.getByText("answers alerts, changes limits").waitFor({ state: "detached" });
await page.getByRole("button", { name: "Remove vera" }).click();
await page.getByRole("cell", { name: "vera", exact: true }).waitFor({ state: "detached" });

await page.goto(base + "/audit?contains=ada");
await settle();
await page.getByRole("button", { name: "Verify the chain" }).click();
await page.getByText("The chain is intact").waitFor();
const [chain] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "CSV" }).click()]);
await page.getByText(/^The file has \d+ rows/).waitFor();
out.pages["audit file"] = readFileSync(await chain.path(), "utf8");
out.pages["audit after writes"] = await page.locator("main").innerText();

// A token for scripts from its issue to its end, the configuration in force, and this browser's colours.
await page.goto(base + "/settings");
await page.getByLabel("What it is for").fill("nightly report");
await page.getByRole("button", { name: "Issue for 90 days" }).click();
await page.getByText("it is not shown again").waitFor();
const script = await page.getByText("it is not shown again").locator("code").innerText();
const status = async () => (await fetch(base + "/api/v1/session", { headers: { Authorization: "Bearer " + script } })).status;
out.pages["script's token"] = String(await status());
await page.getByRole("button", { name: "End token nightly report" }).click();
await page.getByRole("button", { name: "End token nightly report" }).waitFor({ state: "detached" });
out.pages["script's token"] += " " + (await status());
await page.getByLabel("Find a setting").fill("retention");
await page.getByText("database.retention", { exact: true }).waitFor();
out.pages["configuration"] = await page.locator("main").innerText();
await page.getByRole("combobox", { name: /^Colours/ }).selectOption("dark");
await page.getByRole("button", { name: "Light colours" }).waitFor();
out.pages["colours"] = await page.evaluate(() => document.documentElement.style.colorScheme);
await page.getByRole("combobox", { name: /^Colours/ }).selectOption("system");

// A file for other systems has the ledger's charges.
await page.goto(base + "/usage?period=week");
await settle();
const [focus] = await Promise.all([page.waitForEvent("download"), page.getByRole("link", { name: /^Cost and usage in FOCUS [0-9.]+$/ }).click()]);
out.pages["focus file"] = readFileSync(await focus.path(), "utf8").slice(0, 20_000);

// A service's token from its issue to its end.
await page.goto(base + "/providers");
await page.getByRole("button", { name: "Issue", exact: true }).click();
await page.getByLabel("What it is for").fill("the browser's walk");
await page.getByRole("button", { name: "Issue it" }).click();
await page.getByText("it is not shown again").waitFor();
const first = await page.locator("code").last().innerText();
await judge("token issued");
await page.getByRole("button", { name: "Done" }).click();
await page.locator("section", { hasText: "Service tokens" }).getByRole("button", { name: /^Rotate / }).click();
await page.getByRole("button", { name: "Rotate it" }).click();
await page.getByText("it is not shown again").waitFor();
out.pages["token rotated"] = String(first.startsWith("sst_") && first !== (await page.locator("code").last().innerText()));
await page.getByRole("button", { name: "Done" }).click();
await page.getByText("the one before ends").waitFor();
await page.getByRole("button", { name: /^Revoke / }).click();
await page.getByRole("button", { name: "Revoke it" }).click();
await page.getByText(/^revoked /).first().waitFor();
await shot("tokens");

// A provider's credential gets another value.
const credential = page.getByRole("button", { name: "Rotate stripe", exact: true });
await credential.click();
await page.getByText("It was not rotated here yet.").waitFor();
await page.getByLabel("New key").fill("sk-walk-canary-0000");
await judge("rotation asked for");
await page.getByRole("button", { name: "Rotate it" }).click();
await page.getByText(/^It was rotated .* by ada\.$/).waitFor();
await page.getByText("Revoke the one before at the provider").waitFor();
await judge("rotation done");
await shot("rotation");
await page.getByRole("button", { name: "Rotate it" }).waitFor();
await page.keyboard.press("Escape");
await credential.waitFor();

// The keyboard reaches every page.
await page.keyboard.press("Control+k");
await page.getByPlaceholder(/A page, a team/).fill("budgets");
await page.keyboard.press("Enter");
await page.waitForURL(/\/limits/);
for (const [name, title, by] of [["anthropic", "Providers", "model"], ["claude-sonnet", "Models of the last 30 days", "service"]]) {
  await page.keyboard.press("Control+k");
  await page.getByPlaceholder(/A page, a team/).fill(name);
  await page.getByRole("group", { name: title }).getByRole("option").waitFor();
  if (by === "service") await judge("palette");
  await page.keyboard.press("Enter");
  await page.waitForURL((u) => u.pathname === "/usage" && u.searchParams.get("by") === by && u.searchParams.get("filter")?.includes(name));
  await page.getByRole("cell", { name: /^\$/ }).first().waitFor();
}

// Each role has what it may change, and nothing else: viewer, team admin, operator.
const kinds = { Change: "/limits", "Silence …": "/alerts?part=silences", Issue: "/providers", "Add …": "/settings", "Take back": "/policy" };
const as = async (role, team) => {
  const name = "person-" + role;
  const put = await page.request.put(`${base}/api/v1/accounts/${name}`, { data: { role, team, password } });
  if (!put.ok()) out.errors.push(`${name} is not put: ${put.status()} ${await put.text()}`);
  return name;
};
const people = { viewer: await as("viewer"), "team-admin": await as("team-admin", "core"), operator: await as("operator") };
for (const [role, name] of Object.entries(people)) {
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.waitForURL(/\/signin/);
  await page.getByLabel("Name").fill(name);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.waitForURL((u) => !u.pathname.startsWith("/signin"));
  const may = [];
  for (const [button, path] of Object.entries(kinds)) {
    await page.goto(base + path);
    await page.locator("h1").first().waitFor();
    if (button === "Take back") {
      await page.locator(".cm-content").waitFor();
      if ((await page.locator(".cm-content").getAttribute("aria-readonly")) !== "true") may.push("edit the policy");
    }
    await settle();
    if (await page.getByRole("button", { name: button, exact: true }).count()) may.push(button);
  }
  if (await page.goto(base + "/settings").then(settle).then(() => page.getByRole("heading", { name: "Configuration" }).count())) may.push("see the configuration");
  out.pages[role] = may.join(", ") || "nothing";
}

await browser.close();
console.log(JSON.stringify(out));
