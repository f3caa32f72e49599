/** What the language client needs of a server, whichever way it is reached. */

import type { ServerOptions } from "vscode-languageclient/node";

export interface Reached {
  server: ServerOptions;
  /** What the server is told at `initialize` beside the standard parameters. */
  options: object;
}
