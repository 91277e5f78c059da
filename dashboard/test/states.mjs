// Shows every page while its answers are on their way, when they fail, when they are refused, and over an empty ledger, and prints what it saw as
// JSON. Then two people publish a policy, of whom one approves it. The Go test in e2e judges.
//
//   URL=http://127.0.0.1:18002 LINK=<setup link> PAGES='["/"]' node states.mjs

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const { URL: base, LINK: link } = process.env;
const password = "correct horse battery staple";
const out = { errors: [], axe: [], wide: [], states: {}, writes: [], approved: "" };

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"] });
const context = await browser.newContext({ viewport: { width: 375, height: 800 }, locale: "en-US", reducedMotion: "reduce" });
const page = await context.newPage();
page.setDefaultTimeout(30_000);
page.on("console", (m) => { if (m.type() === "error" && !/status of (401|403|404|503)/.test(m.text())) out.errors.push(`${page.url()}: ${m.text()}`); });
page.on("pageerror", (e) => out.errors.push(`${page.url()}: ${e}`));
page.on("request", (r) => { if (r.method() !== "GET" && r.url().startsWith(base + "/api/")) out.writes.push(r.method() + " " + new URL(r.url()).pathname); });

async function see(state, path) {
  const cdp = await context.newCDPSession(page);
  await cdp.send("Runtime.evaluate", { expression: axe });
  const { result } = await cdp.send("Runtime.evaluate", { expression: "axe.run(document, {resultTypes: ['violations']}).then(r => JSON.stringify(r.violations.filter(v => ['serious', 'critical'].includes(v.impact)).map(v => v.id + ': ' + v.nodes.slice(0, 3).map(n => n.html.slice(0, 160)).join(' | '))))", awaitPromise: true, returnByValue: true });
  for (const v of JSON.parse(result.value)) out.axe.push(`${state} ${path}: ${v}`);
  if (await page.evaluate(() => document.documentElement.scrollWidth > window.innerWidth + 1)) out.wide.push(`${state} ${path}`);
  out.states[state][path] = {
    text: await page.locator("main").innerText(),
    busy: await page.locator("main [role=status]").count(), alerts: await page.locator("main [role=alert]").allInnerTexts(), again: await page.getByRole("button", { name: "Try again" }).count(),
  };
}

await page.goto(link);
await page.getByLabel("Name").fill("ada");
await page.getByLabel("Password").fill(password);
await page.getByRole("button", { name: "Make the account" }).click();
await page.waitForURL(/\/connect/);

const problem = (status, detail) => (route) => route.fulfill({ status, contentType: "application/problem+json", body: JSON.stringify({ status, title: "", detail }) });
const answers = {
  empty: undefined, loading: () => new Promise(() => {}), // no answer comes
  error: problem(503, "figures: the gateway cannot answer now, its log says why"), refused: problem(403, "this needs the role of somebody else"),
};
for (const [state, answer] of Object.entries(answers)) {
  out.states[state] = {};
  if (answer) await page.route((u) => u.pathname.startsWith("/api/v1/") && !["/api/v1/session", "/api/v1/events"].includes(u.pathname), answer);
  for (const path of JSON.parse(process.env.PAGES)) {
    await page.goto(base + path);
    await page.locator("h1").first().waitFor();
    if (state === "loading") await page.waitForTimeout(300);
    else await page.waitForFunction(() => document.querySelectorAll("[role=status], .animate-pulse").length === 0);
    await see(state, path);
  }
  if (state === "error") { // it comes back, and so does the page
    await page.unrouteAll({ behavior: "ignoreErrors" });
    await page.goto(base + "/usage");
    await page.getByText("No call in this period.").first().waitFor();
  }
  await page.unrouteAll({ behavior: "ignoreErrors" });
}

// What one person publishes waits for another.
await page.setViewportSize({ width: 1360, height: 900 });
const put = await page.request.put(`${base}/api/v1/accounts/bob`, { data: { role: "admin", password } });
if (!put.ok()) out.errors.push(`bob is not put: ${put.status()} ${await put.text()}`);
await page.goto(base + "/policy");
const editor = page.getByLabel("Policy", { exact: true });
await editor.click();
await page.keyboard.press("Control+End");
await page.keyboard.insertText("# for a second person\n");
await page.getByText("It compiles").waitFor();
await page.getByRole("button", { name: "Propose …" }).click();
await page.getByLabel("Reason").fill("two of us");
await page.getByRole("button", { name: "Propose", exact: true }).click();
await page.getByRole("heading", { name: /waits for a second person/ }).waitFor();
out.approved = String(await page.getByRole("button", { name: "Approve and publish" }).count()); // not by its author
await page.getByRole("button", { name: "Sign out" }).click();
await page.waitForURL(/\/signin/);
await page.getByLabel("Name").fill("bob");
await page.getByLabel("Password").fill(password);
await page.getByRole("button", { name: "Sign in" }).click();
await page.waitForURL((u) => !u.pathname.startsWith("/signin"));
await page.goto(base + "/policy");
await page.getByText("+# for a second person").waitFor();
await page.getByLabel("Note").fill("read it");
await page.getByRole("button", { name: "Approve and publish" }).click();
await page.getByRole("heading", { name: /waits for a second person/ }).waitFor({ state: "detached" });
await page.getByRole("cell", { name: "two of us" }).waitFor();
out.approved += " " + (await page.locator(".cm-line", { hasText: "# for a second person" }).count());

await browser.close();
console.log(JSON.stringify(out));
