/** The team's server: one WebSocket, one JSON message a frame. */

import type { IncomingMessage } from "node:http";
import {
  AbstractMessageReader,
  AbstractMessageWriter,
  type DataCallback,
  type Disposable,
  type Message,
  type MessageTransports,
} from "vscode-languageclient/node";
import { WebSocket } from "ws";
import { setting } from "../settings";
import type { Account } from "./account";
import { type Address, readAddress } from "./address";
import { companyCertificates } from "./certificates";
import { Unreachable } from "./errors";
import type { Reached } from "./reached";
import type { Repositories } from "./repositories";

const HANDSHAKE_MS = 15_000;
const MAX_MESSAGE_BYTES = 64 * 1024 * 1024;
const MAX_REFUSAL_BYTES = 16 * 1024;

/**
 * Connect to the server.
 *
 * VS Code makes Node's `http` and `https`, which the socket is opened with, follow its proxy settings and trust the
 * certificates of the operating system.
 *
 * @throws Unreachable when the server is not there or does not want us.
 */
export async function reachRemote(account: Account, repositories: Repositories): Promise<Reached> {
  const address = readAddress(setting("server.url"));
  // A server without accounts, on the user's own machine, wants no token; any other one says that it does.
  const token = await account.token(address.origin);
  const socket = await open(address, token);
  return {
    server: () => Promise.resolve(transports(socket)),
    options: { repositories: await repositories.claim() },
  };
}

function open(address: Address, token: string | undefined): Promise<WebSocket> {
  const socket = new WebSocket(address.lsp, {
    headers: {
      "User-Agent": "hearth-vscode",
      ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
    },
    handshakeTimeout: HANDSHAKE_MS,
    maxPayload: MAX_MESSAGE_BYTES,
    perMessageDeflate: false,
    followRedirects: false,
    ...companyCertificates(),
  });
  return new Promise((resolve, reject) => {
    socket.once("open", () => resolve(socket));
    socket.once("unexpected-response", (_request, response) => {
      void refusal(response, address, token !== undefined).then((error) => {
        socket.once("error", () => undefined);
        socket.terminate();
        reject(error);
      });
    });
    socket.once("error", (error) => reject(unreachable(error, address)));
  });
}

/** Why the server answered with something else than a WebSocket. */
async function refusal(response: IncomingMessage, address: Address, signedIn: boolean): Promise<Unreachable> {
  const status = response.statusCode ?? 0;
  const { message: reason, advice } = await saidIn(response);
  const said = [reason, advice].filter((item) => item !== "").join(" ");
  const because = said === "" ? "." : `: ${said}`;
  if (status === 401) {
    // The server's advice is for every editor; in this one signing in is a command of its own.
    const message = signedIn
      ? `Hearth's server at ${address.origin} does not accept your token${reason === "" ? "." : `: ${reason}`} Use "Hearth: Sign in".`
      : `Use "Hearth: Sign in" to be let in by Hearth's server at ${address.origin}.`;
    return new Unreachable("sign in", message, { mends: [{ kind: "signIn" }], retry: false });
  }
  if (status === 403) {
    return new Unreachable("not permitted", `Hearth's server at ${address.origin} does not let you in${because}`, {
      mends: [{ kind: "signIn" }],
      retry: false,
    });
  }
  if (status === 429 || status >= 500) {
    return new Unreachable("server busy", `Hearth's server at ${address.origin} answered ${status}${because}`, {
      retry: true,
    });
  }
  return new Unreachable(
    "no Hearth there",
    `What answers at ${address.origin} is not Hearth's server: it said ${status} to ${address.lsp}${because}`,
    { mends: [{ kind: "setting", name: "server.url" }], retry: true },
  );
}

/** Return the server's own words, empty where it said none that are meant for people. */
async function saidIn(response: IncomingMessage): Promise<{ message: string; advice: string }> {
  let text = "";
  try {
    response.setEncoding("utf8");
    for await (const part of response) {
      text += String(part);
      if (text.length > MAX_REFUSAL_BYTES) {
        return { message: "", advice: "" };
      }
    }
    const { error } = JSON.parse(text) as { error?: { message?: unknown; advice?: unknown } };
    const words = (said: unknown): string => (typeof said === "string" ? said : "");
    return { message: words(error?.message), advice: words(error?.advice) };
  } catch {
    return { message: "", advice: "" };
  }
}

function unreachable(error: Error & { code?: string }, address: Address): Unreachable {
  const code = error.code ?? "";
  if (
    code.includes("CERT") ||
    code.includes("SELF_SIGNED") ||
    code.includes("UNABLE_TO_") ||
    code.startsWith("ERR_TLS")
  ) {
    return new Unreachable(
      "certificate not trusted",
      `The certificate of Hearth's server at ${address.origin} is not trusted (${code}). If your company signs its own, ` +
        'name the file of its authority in "hearth.server.certificateAuthority".',
      { mends: [{ kind: "setting", name: "server.certificateAuthority" }], retry: true },
    );
  }
  return new Unreachable("server away", `Hearth's server at ${address.origin} cannot be reached: ${error.message}`, {
    retry: true,
  });
}

function transports(socket: WebSocket): MessageTransports {
  return { reader: new SocketReader(socket), writer: new SocketWriter(socket) };
}

class SocketReader extends AbstractMessageReader {
  constructor(private readonly socket: WebSocket) {
    super();
  }

  listen(callback: DataCallback): Disposable {
    this.socket.on("message", (data: Buffer) => {
      try {
        callback(JSON.parse(data.toString("utf8")) as Message);
      } catch (error) {
        this.fireError(error);
      }
    });
    this.socket.on("error", (error) => this.fireError(error));
    this.socket.on("close", () => this.fireClose());
    return { dispose: () => this.socket.close() };
  }
}

class SocketWriter extends AbstractMessageWriter {
  private failures = 0;

  constructor(private readonly socket: WebSocket) {
    super();
    socket.on("close", () => this.fireClose());
  }

  write(message: Message): Promise<void> {
    return new Promise((resolve, reject) => {
      this.socket.send(JSON.stringify(message), (error) => {
        if (error == null) {
          resolve();
          return;
        }
        this.failures += 1;
        this.fireError(error, message, this.failures);
        reject(error);
      });
    });
  }

  end(): void {
    this.socket.close();
  }
}
