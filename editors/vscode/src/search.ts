/** `Hearth: Search the company's code`: a quick pick over the index. */

import * as vscode from "vscode";
import type { Connection } from "./connection";
import type { IndexedFiles } from "./indexedFiles";
import type { SearchHit } from "./protocol";
import { messageOf } from "./server/errors";

const WAIT_MS = 150;
const LIMIT = 30;

interface Row extends vscode.QuickPickItem {
  hit?: SearchHit;
}

export function search(connection: Connection, files: IndexedFiles): void {
  const pick = vscode.window.createQuickPick<Row>();
  pick.title = "Search the company's code";
  pick.placeholder = "What does it do, or what is it called?";
  let timer: NodeJS.Timeout | undefined;
  let asking: vscode.CancellationTokenSource | undefined;

  const ask = async (query: string): Promise<void> => {
    const token = new vscode.CancellationTokenSource();
    asking = token;
    pick.busy = true;
    try {
      const { hits } = await connection.request("hearth/search", { query, limit: LIMIT }, token.token);
      if (asking === token) {
        pick.items = hits.length > 0 ? hits.map(toRow) : [{ label: "Nothing found", alwaysShow: true }];
      }
    } catch (error) {
      if (asking === token) {
        pick.items = [{ label: `No answer: ${messageOf(error)}`, alwaysShow: true }];
      }
    } finally {
      if (asking === token) {
        pick.busy = false;
      }
      token.dispose();
    }
  };

  pick.onDidChangeValue((value) => {
    clearTimeout(timer);
    asking?.cancel();
    asking = undefined;
    if (value.trim() === "") {
      pick.items = [];
      pick.busy = false;
      return;
    }
    timer = setTimeout(() => void ask(value), WAIT_MS);
  });
  pick.onDidAccept(() => {
    const hit = pick.selectedItems[0]?.hit;
    if (hit !== undefined) {
      pick.hide();
      void files.open(hit);
    }
  });
  pick.onDidHide(() => {
    clearTimeout(timer);
    asking?.cancel();
    asking = undefined;
    pick.dispose();
  });
  pick.show();
}

function toRow(hit: SearchHit): Row {
  const first = hit.text.split(/\r\n|\n|\r/, 1)[0] ?? "";
  return {
    label: hit.symbol === "" ? hit.path : hit.symbol,
    description: `${hit.repository} ${hit.path}:${hit.startLine}`,
    detail: first.trim(),
    // The server has matched already, by meaning too: VS Code must not filter by letters again.
    alwaysShow: true,
    hit,
  };
}
