// Drives VS Code in a browser for a test: reads one JSON request a line, writes one JSON answer a line.
//
//   {"id": 1, "method": "open", "arguments": [...]}  ->  {"id": 1, "result": ...} or {"id": 1, "error": "..."}
import { readFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const LONGEST_WAIT_MS = 90_000;
const GHOST = ".monaco-editor .ghost-text-decoration, .monaco-editor .ghost-text-decoration-preview, .monaco-editor .ghost-text, .monaco-editor .suggest-preview-text";

let browser;
let page;
let session;

// Ghost text is split over elements, and one on several lines has its later lines in a view zone.
const readGhost = `(() => {
  const parts = [...document.querySelectorAll(${JSON.stringify(GHOST)})].filter((part) => !part.parentElement.closest(${JSON.stringify(GHOST)}));
  // View zones come before lines in the document, and get their place only after a frame.
  const isZone = (part) => Number(part.matches(".suggest-preview-text"));
  parts.sort((left, right) => isZone(left) - isZone(right));
  return parts.map((part) => part.textContent).join("").replaceAll("\\u00a0", " ").replaceAll("\\u200b", "");
})()`;

const readLines = `[...document.querySelectorAll(".editor-instance .view-lines > .view-line")]
  .map((line) => ({
    top: parseFloat(line.style.top),
    text: [...line.querySelectorAll(":scope > span > span")]
      .filter((part) => !part.matches(${JSON.stringify(GHOST)}))
      .map((part) => part.textContent)
      .join("")
      .replaceAll("\u00a0", " "),
  }))
  .sort((left, right) => left.top - right.top)
  .map(({ text }) => text)`;

const methods = {
  async start(executable, url, dark) {
    browser = await chromium.launch({
      executablePath: executable,
      args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
    });
    const context = await browser.newContext({
      viewport: { width: 1280, height: 800 },
      colorScheme: dark ? "dark" : "light",
      permissions: ["clipboard-read", "clipboard-write"],
    });
    page = await context.newPage();
    page.setDefaultTimeout(LONGEST_WAIT_MS);
    session = await context.newCDPSession(page);
    await page.goto(url);
    await page.locator(".monaco-workbench").waitFor();
  },
  /** Focus the first editor that has lines. */
  async focus() {
    await page.locator(".editor-instance .monaco-editor .view-line").first().waitFor();
    await page.locator(".editor-instance .monaco-editor .view-lines").first().click();
  },
  async waitForFocus() {
    await page.locator(".editor-instance .monaco-editor.focused").waitFor();
  },
  async press(...keys) {
    for (const key of keys) await page.keyboard.press(key);
  },
  async type(text) {
    await page.keyboard.type(text);
  },
  /** Show text that an input method has not settled yet. */
  async compose(text) {
    await session.send("Input.imeSetComposition", { text, selectionStart: text.length, selectionEnd: text.length });
  },
  /** Settle what is being composed. */
  async settle(text) {
    await session.send("Input.insertText", { text });
  },
  async waitForCompletionList(text) {
    await page.locator(".suggest-widget.visible .monaco-list-row.focused", { hasText: text }).waitFor();
  },
  async waitForNoCompletionList() {
    await page.locator(".suggest-widget.visible").waitFor({ state: "hidden" });
  },
  ghost: () => page.evaluate(readGhost),
  async waitForGhost(wanted) {
    try {
      await page.waitForFunction(`${readGhost} === ${JSON.stringify(wanted)}`, undefined, { polling: 20 });
    } catch (error) {
      throw new Error(`the ghost text is ${JSON.stringify(await page.evaluate(readGhost))}`, { cause: error });
    }
  },
  /** Wait until the ghost text is one of these, and return it. */
  async waitForGhostAmong(wanted) {
    const one = `((text) => ${JSON.stringify(wanted)}.includes(text) && text)(${readGhost})`;
    return (await page.waitForFunction(one, undefined, { polling: 20 })).jsonValue();
  },
  /** Note what the ghost text is in each frame from now on. */
  async record() {
    await page.evaluate(`
      globalThis.frames_ = [];
      globalThis.recording_ = true;
      const look = () => {
        const text = ${readGhost};
        const last = globalThis.frames_.at(-1);
        if (last === undefined || last.text !== text) globalThis.frames_.push({ text, at: performance.now() });
        if (globalThis.recording_) requestAnimationFrame(look);
      };
      requestAnimationFrame(look);`);
  },
  async recorded() {
    return page.evaluate("globalThis.recording_ = false, globalThis.frames_");
  },
  /** Lines of the first editor as they are on screen, ghost text left out. */
  lines: () => page.evaluate(readLines),
  async waitForLine(number, wanted) {
    try {
      await page.waitForFunction(`${readLines}[${number - 1}] === ${JSON.stringify(wanted)}`, undefined, { polling: 20 });
    } catch (error) {
      throw new Error(`the lines are ${JSON.stringify(await page.evaluate(readLines))}`, { cause: error });
    }
  },
  async waitForStatus(pattern) {
    await page.waitForFunction(
      `new RegExp(${JSON.stringify(pattern)}).test(document.querySelector('[id$="hearth.status"]')?.textContent ?? "")`,
      undefined,
      { polling: 20 },
    );
  },
  /** Run a command from the palette by its title. */
  async command(title) {
    // The palette of the command before may be on its way out still.
    await page.locator(".quick-input-widget").first().waitFor({ state: "hidden" });
    await page.keyboard.press("F1");
    const input = page.locator(".quick-input-widget input");
    await input.waitFor();
    await input.fill(`>${title}`);
    await page.locator(".quick-input-list .monaco-list-row", { hasText: title }).first().waitFor();
    await page.keyboard.press("Enter");
  },
  /** Fill in the quick pick with this placeholder; the command palette may be on its way out still. */
  async pick(placeholder, text) {
    const input = page.locator(`.quick-input-widget input[placeholder^="${placeholder}"]`);
    await input.waitFor();
    await input.fill(text);
  },
  /** Answer the input box whose prompt or placeholder contains this. */
  async answer(prompt, text) {
    await page.locator(".quick-input-widget", { hasText: prompt }).waitFor();
    await page.locator(".quick-input-widget input").first().fill(text);
    await page.keyboard.press("Enter");
  },
  /** What the messages on screen say. */
  messages: () => page.locator(".notification-toast .notification-list-item-message").allInnerTexts(),
  async waitForMessage(text) {
    await page.locator(".notification-toast .notification-list-item-message", { hasText: text }).first().waitFor();
  },
  async clickMessage(button) {
    await page.locator(".notification-toast .monaco-button", { hasText: button }).first().click();
  },
  /** Answer the dialog that covers the window. */
  async answerDialog(button) {
    await page.locator(".monaco-dialog-box .monaco-button", { hasText: button }).first().click();
  },
  async waitForRow(text) {
    await page.locator(".quick-input-list .monaco-list-row", { hasText: text }).first().waitFor();
  },
  async pickRow(text) {
    await page.locator(".quick-input-list .monaco-list-row", { hasText: text }).first().click();
  },
  async waitForCursor(text) {
    await page.locator('[id="status.editor.selection"]', { hasText: text }).waitFor();
  },
  async waitForTab(name) {
    await page.locator(".tab.active", { hasText: name }).first().waitFor();
  },
  async waitForText(text) {
    await page.getByText(text).first().waitFor();
  },
  async waitForUnsaved() {
    await page.locator(".tab.active.dirty").first().waitFor();
  },
  async waitForSaved() {
    await page.locator(".tab.active:not(.dirty)").first().waitFor();
  },
  /** Text of an element in the explanation panel. */
  panel: (selector) => explanation().locator(selector).innerText(),
  async waitForPanel(selector, text) {
    await explanation().locator(selector, { hasText: text }).first().waitFor();
  },
  async clickPanel(selector) {
    await explanation().locator(selector).first().click();
  },
  /** Wait until an element of the explanation panel has the focus, and shows so. */
  async waitForPanelFocus(selector) {
    const element = explanation().locator(`${selector}:focus`);
    await element.waitFor();
    const outline = await element.evaluate((focused) => getComputedStyle(focused).outlineStyle);
    if (outline === "none") throw new Error(`${selector} has the focus and does not show it`);
  },
  /** Go to the explanation panel by its key; the next one is for the panel only when it has the focus. */
  async enterPanel() {
    await page.keyboard.press("Control+2");
    await (await panelFrame()).waitForFunction("document.hasFocus()");
  },
  /** Everything that axe, whose source is in a file, finds wrong in the explanation panel, as rule and element. */
  async accessibilityOfPanel(axe) {
    const frame = await panelFrame();
    await frame.evaluate(await readFile(axe, "utf8"));
    const { violations } = await frame.evaluate(
      // Chromium lets the keyboard into whatever can be scrolled.
      "axe.run(document, { resultTypes: ['violations'], rules: { 'scrollable-region-focusable': { enabled: false } } })",
    );
    return violations.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.html} ${node.failureSummary}`));
  },
  async waitForClipboard(text) {
    await page.waitForFunction((wanted) => navigator.clipboard.readText().then((found) => found === wanted), text, { polling: 100 });
  },
  /** Open the menu of a line with the mouse, and choose from it. */
  async chooseAtLine(text, item) {
    await page.locator(".editor-instance .view-line", { hasText: text }).first().click({ button: "right" });
    // A menu takes no click in its first moments, but a key.
    await page.locator(".monaco-menu .action-item", { hasText: item }).first().hover();
    await page.locator(".monaco-menu .action-item.focused", { hasText: item }).waitFor();
    await page.keyboard.press("Enter");
  },
  /** Open the list of code actions; it closes again when it is told late of a selection that is older than it. */
  async openCodeActions(title) {
    const row = page.locator(".action-widget .monaco-list-row.focused", { hasText: title });
    for (let tries = 0; !(await row.isVisible()); tries++) {
      if (tries === 20) throw new Error(`no code action ${title}`);
      await page.keyboard.press("Control+.");
      await row.waitFor({ timeout: 2_000 }).catch(() => undefined);
    }
  },
  /** The rows of the quick pick, and how many icons each has that are drawn. */
  rows: () =>
    page.locator(".quick-input-list .monaco-list-row .quick-input-list-label").evaluateAll((labels) =>
      labels.map((label) => ({
        text: label.textContent.trim(),
        icons: [...label.querySelectorAll(".codicon")].filter((icon) => !["none", "normal"].includes(getComputedStyle(icon, "::before").content)).length,
      })),
    ),
  async screenshot(path) {
    await page.screenshot({ path, animations: "disabled" });
  },
};

function explanation() {
  return page.frameLocator("iframe.webview.ready").frameLocator("iframe#active-frame");
}

async function panelFrame() {
  const outer = await (await page.waitForSelector("iframe.webview.ready")).contentFrame();
  return (await outer.waitForSelector("iframe#active-frame")).contentFrame();
}

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
