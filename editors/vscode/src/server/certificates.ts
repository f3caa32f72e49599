/** The certificates that a server's is checked with. */

import { readFileSync } from "node:fs";
import { rootCertificates } from "node:tls";
import { setting } from "../settings";
import { Unreachable } from "./errors";

/**
 * Return what to add to the options of a connection: nothing, or also the company's own authority.
 *
 * @throws Unreachable when its file cannot be read.
 */
export function companyCertificates(): { ca?: string[] } {
  const path = setting("server.certificateAuthority");
  if (path === "") {
    return {};
  }
  try {
    return { ca: [...rootCertificates, readFileSync(path, "utf8")] };
  } catch (error) {
    throw new Unreachable(
      "certificate not read",
      `The file named in "hearth.server.certificateAuthority" cannot be read: ${String(error)}`,
      { mends: [{ kind: "setting", name: "server.certificateAuthority" }], retry: false },
    );
  }
}
