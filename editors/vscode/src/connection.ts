/** What the features need of the server, whichever way it is reached. */

import type * as vscode from "vscode";

export interface Connection {
  /** Whether a server is there to answer now. */
  readonly ready: boolean;
  /** Ask; rejects when the server is not there or answers with an error. */
  request<R>(method: string, params: object, token?: vscode.CancellationToken): Promise<R>;
  /** Ask and be told of each part as it arrives; cancelling stops the work on the server. */
  stream<R>(
    method: string,
    params: object,
    onPart: (part: unknown) => void,
    token: vscode.CancellationToken,
  ): Promise<R>;
  /** Tell; dropped when the server is not there. */
  notify(method: string, params: object): void;
  /** The name of a document in the protocol. */
  uri(document: vscode.TextDocument): string;
}
