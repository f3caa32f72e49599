/** The address of the team's server. */

import { Unreachable } from "./errors";

const LOOPBACK = new Set(["localhost", "127.0.0.1", "[::1]"]);

export interface Address {
  /** Scheme, host and port, by which the token is kept. */
  origin: string;
  /** Where language servers are reached. */
  lsp: string;
  /** Where editors ask to be signed in. */
  device: string;
}

/**
 * Read what the user wrote.
 *
 * @throws Unreachable when it is no address, carries a secret, or would send one in the clear.
 */
export function readAddress(text: string): Address {
  const wrong = (problem: string): Unreachable =>
    new Unreachable("wrong address", `The setting "hearth.server.url" ${problem}`, {
      mends: [{ kind: "setting", name: "server.url" }],
      retry: false,
    });
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw wrong("is not an address such as https://hearth.example.com.");
  }
  const secure = url.protocol === "https:" || url.protocol === "wss:";
  if (!secure && url.protocol !== "http:" && url.protocol !== "ws:") {
    throw wrong("has to begin with https://.");
  }
  if (url.username !== "" || url.password !== "" || url.search !== "" || url.hash !== "") {
    throw wrong('holds more than an address. Keep the token out of it, and use "Hearth: Sign in" instead.');
  }
  if (!secure && !LOOPBACK.has(url.hostname)) {
    throw wrong("begins with http://, so that everybody on the way could read your token and your code. Use https://.");
  }
  const path = url.pathname.replace(/\/+$/, "").replace(/\/lsp$/, "");
  const origin = `${secure ? "https" : "http"}://${url.host}`;
  return {
    origin,
    device: `${origin}${path}/api/v1/device`,
    lsp: `${secure ? "wss" : "ws"}://${url.host}${path}/lsp`,
  };
}
