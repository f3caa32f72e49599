/** What the features need of the server, whichever way it is reached. */

import type * as vscode from "vscode";
import type { Notifications, Requests } from "./protocol";

export interface Connection {
  /** Whether a server is there to answer now. */
  readonly ready: boolean;
  /** Ask; rejects when the server is not there or answers with an error. */
  request<M extends keyof Requests>(
    method: M,
    params: Requests[M]["params"],
    token?: vscode.CancellationToken,
  ): Promise<Requests[M]["result"]>;
  /** Ask and be told of each part as it arrives; cancelling stops the work on the server. */
  stream<R>(
    method: string,
    params: object,
    onPart: (part: unknown) => void,
    token: vscode.CancellationToken,
  ): Promise<R>;
  /** Tell; dropped when the server is not there. */
  notify<M extends keyof Notifications>(method: M, params: Notifications[M]): void;
  /** The name of a document in the protocol. */
  uri(document: vscode.TextDocument): string;
}
