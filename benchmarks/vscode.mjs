// Types into windows of VS Code and measures each key in the page itself: reads a plan as JSON, writes what it saw.
//
//   {"modules", "chromium", "line", "opening", "windows": [{"name", "url", "ready"}],
//    "rounds": [[{"window", "text", "pauses"}]]}   ->   [{"window", "round", "ms": [...], "ghosts"}], one a turn
import { createRequire } from "node:module";
import { text } from "node:stream/consumers";

const plan = JSON.parse(await text(process.stdin));
const { chromium } = createRequire(`${plan.modules}/`)("playwright-core");
const WAIT_MS = 60_000;
const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];

/** Runs in the page. A key's time is from the event that the browser made of it to the end of the frame that shows it. */
function install() {
  const GHOST = ".ghost-text-decoration, .ghost-text-decoration-preview, .ghost-text, .suggest-preview-text";
  const editor = document.querySelector(".editor-instance .monaco-editor");
  const read = () => {
    const top = editor.querySelector(".cursors-layer .cursor").style.top;
    const line = [...editor.querySelectorAll(".view-lines > .view-line")].find(({ style }) => style.top === top);
    return [...(line?.querySelectorAll(":scope > span > span") ?? [])]
      .filter((part) => !part.matches(GHOST))
      .map((part) => part.textContent)
      .join("")
      .replaceAll("\u00a0", " ");
  };
  let pressed = 0;
  let wanted;
  let shown;
  // Lines change while a frame is made; what is posted then comes when it has been laid out and painted.
  const frame = new MessageChannel();
  frame.port1.onmessage = () => shown?.(performance.now() - pressed);
  window.addEventListener("keydown", ({ timeStamp }) => { pressed = timeStamp; }, { capture: true });
  new MutationObserver(() => {
    if (wanted !== undefined && read() === wanted) {
      wanted = undefined;
      frame.port2.postMessage(0);
    }
  }).observe(editor.querySelector(".view-lines"), { childList: true, subtree: true, characterData: true });
  globalThis.hearth = {
    expect(character) {
      wanted = read() + character;
      globalThis.hearth.took = new Promise((resolve, reject) => {
        shown = resolve;
        const late = () => reject(new Error(`the line is ${JSON.stringify(read())} and not ${JSON.stringify(wanted)}`));
        setTimeout(late, 10_000);
      });
    },
    atStart: () => read().trim() === "",
    ghost: () => [...editor.querySelectorAll(GHOST)].some(({ textContent }) => textContent.trim() !== ""),
  };
}

async function open(browser, { url, ready }) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  const page = await context.newPage();
  page.setDefaultTimeout(WAIT_MS);
  await page.goto(url);
  await page.locator(".editor-instance .monaco-editor .view-lines").first().click();
  if (ready) await page.locator('[id$="hearth.status"]', { hasText: new RegExp(ready) }).waitFor();
  await page.keyboard.press("Control+g");
  await page.locator(".quick-input-widget input").fill(`:${plan.line}`);
  await page.keyboard.press("Enter");
  await page.locator('[id="status.editor.selection"]', { hasText: `Ln ${plan.line},` }).waitFor();
  await page.keyboard.press("End");
  await page.keyboard.press("Enter");
  await page.evaluate(install);
  return page;
}

async function type(page, characters, pauses) {
  const ms = [];
  let ghosts = 0;
  for (const [index, character] of [...characters].entries()) {
    await page.evaluate((next) => globalThis.hearth.expect(next), character);
    await page.keyboard.press(character === " " ? "Space" : character);
    ms.push(await page.evaluate(() => globalThis.hearth.took));
    await new Promise((resolve) => setTimeout(resolve, pauses[index]));
    if (character === " " && (await page.evaluate(() => globalThis.hearth.ghost()))) ghosts += 1;
  }
  // The next turn begins on a line of its own, so that lines stay of a common length.
  await page.keyboard.press("Escape");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => globalThis.hearth.atStart());
  return { ms, ghosts };
}

const browser = await chromium.launch({ executablePath: plan.chromium, args: FLAGS });
try {
  const pages = new Map();
  for (const window of plan.windows) pages.set(window.name, await open(browser, window));
  for (const page of pages.values()) {
    await page.bringToFront();
    await type(page, plan.opening, [...plan.opening].map(() => 100));
  }
  const seen = [];
  for (const [round, turns] of plan.rounds.entries()) {
    for (const { window, text: characters, pauses } of turns) {
      const page = pages.get(window);
      await page.bringToFront();
      seen.push({ window, round, ...(await type(page, characters, pauses)) });
    }
  }
  process.stdout.write(JSON.stringify(seen));
} finally {
  await browser.close();
}
