/** What the language client needs of a server, whichever way it is reached. */

import type { ServerOptions } from "vscode-languageclient/node";
import type { InitializationOptions } from "../protocol";

export interface Reached {
  server: ServerOptions;
  /** What the server is told at `initialize` beside the standard parameters. */
  options: InitializationOptions;
}
