// Reads the sums of every page that has some, as a person sees them, and prints them as JSON. The Go test in e2e judges.
//
//   URL=http://127.0.0.1:18002 NAME=ada PASSWORD=… ZONE=Asia/Kolkata USAGE='["/usage?by=day"]' CALLS='["/calls"]' node totals.mjs

import { readFileSync } from "node:fs";
import { chromium } from "playwright-core";

const { URL: base, NAME: name, PASSWORD: password, ZONE: zone } = process.env;
const out = { errors: [], tiles: {}, budgets: [], today: "", movers: [], month: [], usage: {}, calls: {}, limits: [] };

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"] });
const context = await browser.newContext({ viewport: { width: 1360, height: 900 }, timezoneId: zone, locale: "en-US", acceptDownloads: true });
const page = await context.newPage();
page.setDefaultTimeout(30_000);
page.on("console", (m) => { if (m.type() === "error" && !/status of (401|404)/.test(m.text())) out.errors.push(`${page.url()}: ${m.text()}`); });
page.on("pageerror", (e) => out.errors.push(`${page.url()}: ${e}`));

const open = async (path) => {
  await page.goto(base + path);
  await page.locator("h1").first().waitFor();
  await page.waitForFunction(() => document.querySelectorAll("[role=status], .animate-pulse").length === 0);
};
const card = (title) => page.locator("section", { has: page.getByRole("heading", { name: title, exact: true }) });
const rows = (scope) => scope.locator("tbody tr").evaluateAll((list) => list.map((r) => [...r.cells].map((c) => c.innerText)));

/** bars walks through a chart by the keyboard, and gives what its tooltip says at each place. */
async function bars(scope) {
  const chart = scope.locator("svg.recharts-surface").first(), tip = scope.locator(".recharts-tooltip-wrapper").first();
  await chart.focus();
  const said = async () => (await tip.innerText()).replace(/\s*\n\s*/g, "\n").trim();
  const list = [];
  for (let text = ""; list.length < 40; await page.keyboard.press("ArrowRight")) {
    for (let tries = 0; tries < 20 && (text = await said()) === (list.at(-1) ?? ""); tries++) await page.waitForTimeout(25); // it follows the key in another frame
    if (text === (list.at(-1) ?? "")) break; // the last place
    list.push(text);
  }
  return list;
}

await page.goto(base + "/signin");
await page.getByLabel("Name").fill(name);
await page.getByLabel("Password").fill(password);
await page.getByRole("button", { name: "Sign in" }).click();
await page.waitForURL((u) => !u.pathname.startsWith("/signin"));

await open("/");
for (const tile of await page.locator("main .grid > div:has(> p.text-2xl)").evaluateAll((list) => list.map((t) => [...t.children].map((p) => p.innerText)))) out.tiles[tile[0]] = tile.slice(1);
out.budgets = await card("Budgets").locator("li").evaluateAll((list) => list.map((l) => l.innerText));
out.today = await card("Last 24 hours by team").locator("header").innerText();
out.movers = await rows(card("Top movers"));
out.month = await bars(card("Month to date and forecast"));

for (const path of JSON.parse(process.env.USAGE)) {
  await open(path);
  const got = { total: await page.locator("section header").first().innerText(), rows: await rows(card("Sums")), took: await rows(page.locator("section", { hasText: "Latency and errors by" }).last()) };
  got.bars = path.includes("from=") ? await bars(page.locator("section").first()) : [];
  const [file] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "CSV" }).click()]);
  got.csv = readFileSync(await file.path(), "utf8");
  out.usage[path] = got;
}

for (const path of JSON.parse(process.env.CALLS)) {
  await open(path);
  for (const more = page.getByRole("button", { name: "More", exact: true }); await more.count(); ) {
    const had = await page.locator("tbody tr").count();
    await more.click();
    await page.waitForFunction((n) => document.querySelectorAll("tbody tr").length > n, had);
  }
  out.calls[path] = await rows(page.locator("main"));
}

await open("/limits");
out.limits = await rows(page.locator("main"));
await browser.close();
console.log(JSON.stringify(out));
