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
  const answer = await post<Waiting>(device, { client: vscode.env.appName, machine: hostname() });
  if (answer.deviceCode === undefined) {
    throw refused(answer);
  }
  const waiting = answer as Waiting;
  // Both are shown as a link, and one is opened: nothing but a page, whoever it is that answers.
  if (!/^https?:\/\/[^\s()\p{C}]+$/u.test(waiting.verificationUriComplete) || !/^[A-Z-]+$/.test(waiting.userCode)) {
    throw new Unreachable("no Hearth there", `What answers at ${device} names no page on which it lets editors in.`, {
      mends: [{ kind: "setting", name: "server.url" }],
      retry: false,
    });
  }
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

/**
 * Give a token back. One that is from elsewhere the server leaves to whoever made it.
 *
 * @throws Unreachable when the server cannot be asked.
 */
export async function giveBack(device: string, token: string): Promise<void> {
  await ask(`${device}/token`, { method: "DELETE", headers: { Authorization: `Bearer ${token}` } });
}

async function fetchToken(
  device: string,
  waiting: Waiting,
  cancelled: vscode.CancellationToken,
): Promise<string | undefined> {
  let seconds = waiting.interval;
  while (await pause(seconds, cancelled)) {
    const answer = await post<Answer>(`${device}/token`, { deviceCode: waiting.deviceCode });
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
    mends: [{ kind: "signIn" }],
    retry: false,
  });
}

function post<T>(url: string, body: object): Promise<Partial<T> & Answer> {
  return ask<T>(url, { method: "POST", headers: { "Content-Type": "application/json" } }, JSON.stringify(body));
}

interface Asked {
  method: string;
  headers: Record<string, string>;
}

/** Return the object that the server answers with, whatever its status. */
function ask<T>(url: string, { method, headers }: Asked, body?: string): Promise<Partial<T> & Answer> {
  return new Promise((resolve, reject) => {
    const fail = (reason: string): void => {
      reject(
        new Unreachable("server away", `Hearth's server cannot be asked at ${url}: ${reason}`, {
          mends: [{ kind: "signIn" }],
          retry: false,
        }),
      );
    };
    const send = url.startsWith("https:") ? requestSecure : requestPlain;
    const sent = send(
      url,
      {
        method,
        headers: { "User-Agent": "hearth-vscode", ...headers },
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
    sent.end(body);
  });
}
