// Drives Chromium over the pages for a test: reads one JSON request a line, writes one JSON answer a line.
//
//   {"id": 1, "method": "goto", "arguments": ["/"]}  ->  {"id": 1, "result": ...} or {"id": 1, "error": "..."}
import { readFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const LONGEST_WAIT_MS = 90_000;
const axe = await readFile(new URL("node_modules/axe-core/axe.min.js", import.meta.url), "utf8");

let browser;
let page;
let origin;
const complaints = [];

const methods = {
  async start(executable, url, { dark = false, phone = false, scripts = true } = {}) {
    origin = url;
    browser ??= await chromium.launch({
      executablePath: executable,
      args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
    });
    const state = await page?.context().storageState();
    await page?.context().close();
    const context = await browser.newContext({
      viewport: phone ? { width: 360, height: 740 } : { width: 1280, height: 800 },
      colorScheme: dark ? "dark" : "light",
      javaScriptEnabled: scripts,
      storageState: state,
    });
    page = await context.newPage();
    page.setDefaultTimeout(LONGEST_WAIT_MS);
    // What the policy of a page forbids, and what fails to load, is said here.
    page.on("console", (message) => {
      if (message.type() === "error" && !/status of (401|403|404)/.test(message.text())) complaints.push(message.text());
    });
    page.on("pageerror", (error) => complaints.push(String(error)));
    page.on("request", (request) => {
      if (!request.url().startsWith(origin) && !request.url().startsWith("data:")) complaints.push(`asked ${request.url()}`);
    });
  },
  async goto(path) {
    await page.goto(origin + path);
  },
  path: async () => new URL(page.url()).pathname,
  async fill(label, text) {
    await page.getByLabel(label, { exact: true }).fill(text);
  },
  async choose(label, option) {
    await page.getByLabel(label, { exact: true }).selectOption({ label: option });
  },
  async follow(name) {
    await page.getByRole("link", { name, exact: true }).first().click();
    await page.waitForLoadState();
  },
  async click(name) {
    await page.getByRole("button", { name, exact: true }).first().click();
    await page.waitForLoadState();
  },
  async open(name) {
    await page.locator("summary", { hasText: name }).first().click();
  },
  async waitForText(text) {
    await page.getByText(text).first().waitFor();
  },
  text: () => page.locator("main").innerText(),
  /** How many charts are drawn, once all are. */
  async drawn() {
    await page.waitForFunction("[...document.querySelectorAll('[data-figure]')].every((plot) => plot.querySelector('.main-svg'))");
    return page.locator("[data-figure]").count();
  },
  /** The text in the charts. */
  plotted: async () => (await page.locator("[data-figure] text").allTextContents()).join("\n"),
  /** What a chart tells of the place in its middle. */
  async pointAt(title) {
    const plot = page.locator("figure", { hasText: title }).locator(".nsewdrag").first();
    await plot.hover();
    const told = page.locator("figure .hoverlayer text").first();
    await told.waitFor();
    return (await page.locator("figure .hoverlayer text").allTextContents()).join("\n");
  },
  /** Everything axe finds wrong, as rule and element. */
  async accessibility() {
    await page.evaluate(axe);
    const { violations } = await page.evaluate("axe.run(document, { resultTypes: ['violations'] })");
    return violations.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.html} ${node.failureSummary}`));
  },
  /** How many pixels of the page lie beyond the right edge of the window. */
  overflow: () => page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"),
  complaints: () => complaints,
  async screenshot(path) {
    await page.screenshot({ path, fullPage: true });
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const { id, method, arguments: given } = JSON.parse(line);
  let answer;
  try {
    answer = { id, result: (await methods[method](...given)) ?? null };
  } catch (error) {
    answer = { id, error: String(error) };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
await browser?.close();
