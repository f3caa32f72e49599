// Keeps parts of a page as they are on the server: what `data-live` names is fetched again while the page is looked at.
"use strict";

const EVERY_MS = 2000;

async function renew(part) {
  // Whoever is about to press a button in there must not lose it.
  if (document.hidden || part.querySelector("form:focus-within, form:hover") !== null) return true;
  try {
    const answer = await fetch(part.dataset.live, { credentials: "same-origin", redirect: "manual" });
    if (!answer.ok) return answer.status >= 500;
    const text = await answer.text();
    // Made and escaped by the same templates as the page itself.
    if (text !== part.shown) {
      part.innerHTML = text;
      part.dispatchEvent(new Event("renewed", { bubbles: true }));
    }
    part.shown = text;
  } catch {
    // The server is away for a moment.
  }
  return true;
}

async function follow(part) {
  do await new Promise((done) => setTimeout(done, EVERY_MS));
  while (await renew(part));
}

for (const part of document.querySelectorAll("[data-live]")) follow(part);
