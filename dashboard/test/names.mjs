// Shows every page over a ledger whose names are scripts, markup, addresses and letters of other directions, at a desk and on a telephone, and prints what
// ran, what broke out and which names stand there as JSON. The Go test in e2e seeds them and judges.
//
//   URL=http://127.0.0.1:18002 NAMES='["<script>"]' PAGES='["/"]' CALL=<id> SHOTS=<folder> node names.mjs

import { chromium } from "playwright-core";

const { URL: base, SHOTS: shots, CALL: call } = process.env;
const names = JSON.parse(process.env.NAMES), service = encodeURIComponent(names[0]);
const out = { errors: [], wide: [], away: [], ran: [], shows: {} };
const apart = {
  FILTER: "/usage?period=week&by=service&filter=" + encodeURIComponent("provider:" + names[0]) + "&top=100", ANOMALY: "/anomalies?service=" + service, CALL: "/calls?id=" + call,
};

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"] });
const context = await browser.newContext({ locale: "en-US", reducedMotion: "reduce" });
await context.addInitScript(() => { window.hostile = () => { document.documentElement.dataset.hostile = "ran"; }; });
const page = await context.newPage();
page.setDefaultTimeout(30_000);
page.on("console", (m) => { if (m.type() === "error" && !/status of 401/.test(m.text())) out.errors.push(`${page.url()}: ${m.text()}`); });
page.on("pageerror", (e) => out.errors.push(`${page.url()}: ${e}`));
page.on("dialog", (d) => { out.ran.push(`${page.url()}: ${d.message()}`); return d.dismiss(); });

await page.goto(base + "/signin");
await page.getByLabel("Name").fill("ada");
await page.getByLabel("Password").fill("correct horse battery staple");
await page.getByRole("button", { name: "Sign in" }).click();
await page.waitForURL((u) => !u.pathname.startsWith("/signin"));
for (const name of names) {
  const some = name.slice(0, 300), put = [await page.request.post(base + "/api/v1/silences", { data: { rule: some, scope: some, minutes: 60, why: some } }), await page.request.post(base + "/api/v1/session/tokens", { data: { label: name.slice(0, 100), days: 1 } })];
  for (const p of put) if (!p.ok()) out.errors.push(`${p.url()} of ${some}: ${p.status()} ${await p.text()}`);
}

// brokenOut lists what of a name became markup.
const brokenOut = () => [
  ...(document.documentElement.dataset.hostile ? ["a script ran"] : []),
  ...[...document.querySelectorAll("[onerror], [onfocus], [onmouseover], [onload], img[src=x]")].map((e) => e.outerHTML.slice(0, 200)),
  ...[...document.querySelectorAll("[href], [src], [action]")].filter((e) => /^\s*javascript:/i.test(e.getAttribute("href") ?? e.getAttribute("src") ?? e.getAttribute("action"))).map((e) => e.outerHTML.slice(0, 200)),
];
// away lists buttons of tables that only a scroll to the side reaches.
const away = () => [...document.querySelectorAll("tbody button")].filter((b) => b.getBoundingClientRect().right > b.closest("[role=region]").getBoundingClientRect().right).map((b) => b.innerText.slice(0, 60));
for (const width of [1360, 375]) {
  await page.setViewportSize({ width, height: 800 });
  for (const path of JSON.parse(process.env.PAGES)) {
    const at = `${width} ${path}`;
    await page.goto(base + (apart[path] ?? path));
    await page.locator("h1").first().waitFor();
    await page.waitForFunction(() => document.querySelectorAll("[role=status], .animate-pulse").length === 0);
    for (const what of await page.evaluate(brokenOut)) out.ran.push(`${at}: ${what}`);
    if (await page.evaluate(() => document.documentElement.scrollWidth > window.innerWidth + 1)) out.wide.push(at);
    for (const what of await page.evaluate(away)) out.away.push(`${at}: ${what}`);
    const text = await page.locator("body").innerText();
    out.shows[at] = names.filter((name) => text.includes(name.slice(0, 60)));
    if (shots) await page.screenshot({ path: `${shots}/names-${at.slice(0, 60).replaceAll(/[^A-Za-z0-9]+/g, "-")}.png`, fullPage: true });
  }
}

await browser.close();
console.log(JSON.stringify(out));
