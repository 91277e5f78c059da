// Visits each page twice and prints as JSON when it was at rest: its title there, nothing on its way, no skeleton.
//
//   URL=http://127.0.0.1:18002 NAME=ada PASSWORD=… PAGES='["/","/usage"]' node visits.mjs

import { chromium } from "playwright-core";

const { URL: base, NAME: name, PASSWORD: password } = process.env;
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"] });
const context = await browser.newContext({ viewport: { width: 1360, height: 900 }, timezoneId: "Europe/Berlin", locale: "en-US" });
await context.addInitScript(() => {
  const watch = (window.watch = { open: 0, rest: 0, asked: [] });
  const real = window.fetch;
  window.fetch = async (...args) => {
    const url = new URL(args[0].url ?? args[0], location.href);
    const one = { path: url.pathname, question: url.pathname + url.search, at: performance.now(), took: 0 };
    watch.open++;
    watch.asked.push(one);
    try {
      const answer = await real(...args);
      await answer.clone().arrayBuffer();
      return answer;
    } finally {
      one.took = performance.now() - one.at;
      watch.open--;
    }
  };
  const look = () => {
    const busy = watch.open > 0 || !document.querySelector("h1") || document.querySelector("[role=status], .animate-pulse");
    if (busy) watch.rest = 0;
    else watch.rest ||= performance.now();
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
});
const page = await context.newPage();
page.setDefaultTimeout(60_000);

async function visit(path) {
  await page.goto(base + path, { waitUntil: "commit" });
  await page.waitForFunction(() => window.watch.rest > 0 && performance.now() - window.watch.rest > 250); // nothing has followed
  return page.evaluate(() => {
    const scripts = performance.getEntriesByType("resource").filter((r) => r.initiatorType === "script" || r.name.endsWith(".js"));
    const { rest, asked } = window.watch, api = asked.filter((a) => a.path.startsWith("/api/") && a.at < rest);
    const slowest = api.reduce((a, b) => (b.took > a.took ? b : a), { path: "", took: 0 });
    // A request that began when another had ended may have waited for it: the longest such row is how deep the page asks.
    let deep = 0, until = -1;
    for (const a of [...api].sort((x, y) => x.at - y.at)) if (a.at >= until) { deep++; until = a.at + a.took; } else until = Math.min(until, a.at + a.took);
    return { rest: Math.round(rest), requests: api.length, deep, slowest: slowest.path, took: Math.round(slowest.took), paths: api.map((a) => a.question), sent: scripts.reduce((n, r) => n + r.transferSize, 0), script: scripts.reduce((n, r) => n + r.encodedBodySize, 0) };
  });
}

await page.goto(base + "/signin");
await page.getByLabel("Name").fill(name);
await page.getByLabel("Password").fill(password);
await page.getByRole("button", { name: "Sign in" }).click();
await page.waitForURL((u) => !u.pathname.startsWith("/signin"));
const out = [];
for (const path of JSON.parse(process.env.PAGES)) out.push({ path, first: await visit(path), second: await visit(path) });
await browser.close();
console.log(JSON.stringify(out));
