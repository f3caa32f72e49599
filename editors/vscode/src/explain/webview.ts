/** The script inside the explanation panel. */

import type { FromWebview, Source, ToWebview } from "./messages";

declare function acquireVsCodeApi(): { postMessage(message: FromWebview): void };

const editor = acquireVsCodeApi();
const title = element("title");
const asked = element("asked");
const text = element("text");
const sources = element("sources");
const note = element("note");
const stop = element("stop") as HTMLButtonElement;
const copy = element("copy") as HTMLButtonElement;
const question = element("question") as HTMLInputElement;

stop.addEventListener("click", () => editor.postMessage({ kind: "stop" }));
copy.addEventListener("click", () => editor.postMessage({ kind: "copy" }));
element("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  const asking = question.value.trim();
  if (asking !== "") {
    question.value = "";
    editor.postMessage({ kind: "ask", question: asking });
  }
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !event.isComposing) {
    editor.postMessage({ kind: stop.hidden ? "leave" : "stop" });
  }
});
document.addEventListener("click", (event) => {
  const link = event.target instanceof Element ? event.target.closest<HTMLElement>("a[data-number]") : null;
  if (link !== null) {
    event.preventDefault();
    editor.postMessage({ kind: "open", number: Number(link.dataset.number) });
  }
});
window.addEventListener("message", ({ data }: MessageEvent<ToWebview>) => {
  // Stay at the end while the text grows, unless the reader went up.
  const root = document.documentElement;
  const atEnd = root.scrollTop > 0 && root.scrollHeight - root.scrollTop - root.clientHeight < 40;
  take(data);
  if (atEnd) {
    root.scrollTop = root.scrollHeight;
  }
});
editor.postMessage({ kind: "ready" });

function take(message: ToWebview): void {
  switch (message.kind) {
    case "start":
      title.textContent = message.title;
      asked.textContent = message.question;
      text.replaceChildren();
      sources.replaceChildren();
      note.textContent = "";
      stop.hidden = false;
      copy.disabled = true;
      text.setAttribute("aria-busy", "true");
      break;
    case "text":
      text.innerHTML = message.html;
      copy.disabled = false;
      break;
    case "end":
      text.innerHTML = message.html;
      text.setAttribute("aria-busy", "false");
      sources.replaceChildren(...message.sources.map(row));
      note.textContent = message.note;
      copy.disabled = message.html === "";
      if (document.activeElement === stop) {
        question.focus();
      }
      stop.hidden = true;
      break;
  }
}

function row(source: Source): HTMLElement {
  const item = document.createElement("li");
  item.value = source.number;
  const name = document.createElement("a");
  name.textContent = source.title;
  name.setAttribute("href", "#");
  name.dataset.number = String(source.number);
  const place = document.createElement("span");
  place.className = "place";
  place.textContent = source.place;
  item.append(name, place);
  return item;
}

function element(id: string): HTMLElement {
  const found = document.getElementById(id);
  if (found === null) {
    throw new Error(`the panel has no element ${id}`);
  }
  return found;
}
