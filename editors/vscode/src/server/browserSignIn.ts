/** Signing in with a browser: the editor asks, somebody lets it in there, and it fetches its token. */

import { request as requestPlain } from "node:http";
import { request as requestSecure } from "node:https";
import { hostname } from "node:os";
import * as vscode from "vscode";
import { companyCertificates } from "./certificates";
import { Unreachable } from "./errors";

const ANSWER_MS = 30_000;
const MAX_ANSWER_BYTES = 64 * 1024;
const SLOWER_SECONDS = 5;

interface Waiting {
  deviceCode: string;
  userCode: string;
  verificationUriComplete: string;
  interval: number;
}

interface Answer {
  token?: string;
  error?: { code: string; message: string; advice: string };
}

/**
 * Ask to be let in at `device`, open the page where that is done, and return the token; `undefined` when the user gives
 * up.
 *
 * @throws Unreachable when nobody lets the editor in, or the server cannot be asked.
 */
export async function signInWithBrowser(device: string): Promise<string | undefined> {
  const answer = await ask<Waiting>(device, { client: vscode.env.appName, machine: hostname() });
  if (answer.deviceCode === undefined) {
    throw refused(answer);
  }
  const waiting = answer as Waiting;
  void vscode.env.openExternal(vscode.Uri.parse(waiting.verificationUriComplete, true));
  return vscode.window.withProgress(
    {
      location: vscode.ProgressLocation.Notification,
      title: `Hearth: let in the editor with the code ${waiting.userCode} at [${new URL(device).host}](${waiting.verificationUriComplete})`,
      cancellable: true,
    },
    (_, cancelled) => fetchToken(device, waiting, cancelled),
  );
}

async function fetchToken(
  device: string,
  waiting: Waiting,
  cancelled: vscode.CancellationToken,
): Promise<string | undefined> {
  let seconds = waiting.interval;
  while (await pause(seconds, cancelled)) {
    const answer = await ask<Answer>(`${device}/token`, { deviceCode: waiting.deviceCode });
    if (answer.token !== undefined) {
      return answer.token;
    }
    if (answer.error?.code === "slow-down") {
      seconds += SLOWER_SECONDS;
    } else if (answer.error?.code !== "authorization-pending") {
      throw refused(answer);
    }
  }
  return undefined;
}

/** Wait; false when the user gave up meanwhile. */
function pause(seconds: number, cancelled: vscode.CancellationToken): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      listening.dispose();
      resolve(true);
    }, seconds * 1000);
    const listening = cancelled.onCancellationRequested(() => {
      clearTimeout(timer);
      listening.dispose();
      resolve(false);
    });
  });
}

function refused({ error }: Answer): Unreachable {
  const said = error === undefined ? "" : `: ${error.message} ${error.advice}`.trimEnd();
  return new Unreachable("sign in", `Hearth's server did not let this editor in${said}`, {
    mend: { kind: "signIn" },
    retry: false,
  });
}

/** Post an object and return the one that comes back, whatever its status. */
function ask<T>(url: string, body: object): Promise<Partial<T> & Answer> {
  return new Promise((resolve, reject) => {
    const fail = (reason: string): void => {
      reject(
        new Unreachable("server away", `Hearth's server cannot be asked at ${url}: ${reason}`, {
          mend: { kind: "signIn" },
          retry: false,
        }),
      );
    };
    const send = url.startsWith("https:") ? requestSecure : requestPlain;
    const sent = send(
      url,
      {
        method: "POST",
        headers: { "Content-Type": "application/json", "User-Agent": "hearth-vscode" },
        timeout: ANSWER_MS,
        ...companyCertificates(),
      },
      (response) => {
        let text = "";
        response.setEncoding("utf8");
        response.on("data", (part: string) => {
          text += part;
          if (text.length > MAX_ANSWER_BYTES) {
            sent.destroy(new Error("it answers with too much"));
          }
        });
        response.on("end", () => {
          try {
            resolve(JSON.parse(text) as Partial<T> & Answer);
          } catch {
            fail(`what answers with status ${response.statusCode ?? 0} is no Hearth that signs editors in`);
          }
        });
      },
    );
    sent.on("timeout", () => sent.destroy(new Error("it does not answer in time")));
    sent.on("error", (error) => fail(error.message));
    sent.end(JSON.stringify(body));
  });
}
