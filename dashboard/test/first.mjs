// Walks from an empty gateway to its first call, as a new admin does, and prints what the pages showed as JSON.
//
//   URL=http://127.0.0.1:18002 LINK=<setup link> GATEWAY=http://127.0.0.1:10000 TOKEN=<a service's token> node first.mjs

import { chromium } from "playwright-core";

const { URL: base, LINK: link, GATEWAY: gateway, TOKEN: token } = process.env;
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"] });
const context = await browser.newContext({ locale: "en-US", timezoneId: "Europe/Berlin" });
const page = await context.newPage();
page.setDefaultTimeout(30_000);
const out = { errors: [] };
page.on("pageerror", (e) => out.errors.push(`${page.url()}: ${e}`));
const settle = () => page.waitForFunction(() => document.querySelector("h1") && document.querySelectorAll("[role=status], .animate-pulse").length === 0);
const steps = () => page.locator("section", { hasText: "First steps" }).locator("li").evaluateAll((list) => list.map((l) => `${l.querySelector("svg").getAttribute("aria-label")}: ${l.innerText}`));

await page.goto(link);
await page.getByLabel("Name").fill("ada");
await page.getByLabel("Password").fill("correct horse battery staple");
await page.getByRole("button", { name: "Make the account" }).click();
await page.waitForURL(/\/connect/);
await page.goto(base + "/");
await page.getByText("Send the first call through the gateway").waitFor();
await settle();
out.before = await steps();
await page.getByRole("link", { name: "Connect", exact: true }).last().click();
await page.waitForURL(/\/connect/);
await page.getByLabel("Provider").selectOption("weather");
await page.getByText("Waiting for the first call").waitFor();
out.snippet = await page.locator("pre").first().innerText();
const answer = await fetch(gateway + "/weather/v1/forecast/Oslo", { headers: { Authorization: "Bearer " + token } });
await page.getByText("Connected", { exact: true }).waitFor();
out.connected = `${answer.status} ${await page.locator("section").first().innerText()}`;
await page.goto(base + "/");
await settle();
out.after = await steps();

// Every provider's snippets; and what they show of a gateway that listens everywhere.
out.snippets = {};
const shown = () => page.locator("section:has(pre)").evaluateAll((list) => list.map((s) => ({ name: s.querySelector("h2").innerText, text: s.querySelector("pre").innerText })));
for (const provider of ["openai", "anthropic", "gemini", "stripe", "twilio", "bedrock", "s3"]) {
  await page.goto(base + "/connect?provider=" + provider);
  await page.locator("pre").first().waitFor();
  out.snippets[provider] = await shown();
}
await page.route("**/api/v1/settings", async (r) => {
  const answer = await r.fetch();
  await r.fulfill({ response: answer, json: { ...(await answer.json()), gateway: "http://0.0.0.0:10000" } });
});
await page.goto(base + "/connect?provider=openai");
await page.locator("pre").first().waitFor();
out.everywhere = (await shown())[0].text;
await browser.close();
console.log(JSON.stringify(out));
