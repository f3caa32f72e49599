/** Reaches a server, on this machine or the team's, comes back to it when it went away, and speaks with it. */

import * as vscode from "vscode";
import {
  CloseAction,
  type DynamicFeature,
  ErrorAction,
  LanguageClient,
  type LanguageClientOptions,
  ProgressType,
  RevealOutputChannelOn,
  State,
  type StaticFeature,
} from "vscode-languageclient/node";
import type { Connection } from "../connection";
import {
  type ExplainArguments,
  INLINE_COMPLETION,
  type Notifications,
  type Requests,
  SERVER_ACCEPTED,
  SERVER_EXPLAIN,
  STATUS,
  type Status,
} from "../protocol";
import { type Scope, SEEN } from "../scope";
import { setting } from "../settings";
import type { Account } from "./account";
import { Unreachable } from "./errors";
import { reachLocal } from "./local";
import type { Reached } from "./reached";
import { reachRemote } from "./remote";
import { Repositories } from "./repositories";

const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 30_000;
/** A server that ran for so long was healthy, so that the next pause is the shortest again. */
const HEALTHY_AFTER_MS = 60_000;

export type ServerState =
  | { kind: "stopped" }
  | { kind: "starting" }
  | { kind: "running"; status: Status | undefined }
  /** It went away, or cannot be reached for now. */
  | { kind: "waiting"; short: string; seconds: number; reason: string }
  /** Nothing will be better until the user does something. */
  | { kind: "stuck"; short: string; reason: string };

/** What the server's own commands do in this editor. */
export interface Commands {
  explain(target: ExplainArguments): void;
  accepted(id: string): void;
}

export class LanguageServer implements Connection, vscode.Disposable {
  private client: LanguageClient | undefined;
  private current: ServerState = { kind: "stopped" };
  private readonly changed = new vscode.EventEmitter<ServerState>();
  private readonly log = vscode.window.createOutputChannel("Hearth", { log: true });
  private readonly repositories = new Repositories((repositories) =>
    this.notify("hearth/didChangeRepositories", { repositories }),
  );
  private commands: Commands | undefined;
  /** Every start and stop waits for the one before it. */
  private queue: Promise<void> = Promise.resolve();
  private pauseMs = FIRST_PAUSE_MS;
  private startedAt = 0;
  private retry: NodeJS.Timeout | undefined;
  private tokens = 0;
  /** What the user was told last, so that no problem is told twice. */
  private told = "";

  /** Fires when the state, or what the server says about itself, is different. */
  readonly onDidChange = this.changed.event;

  constructor(
    private readonly scope: Scope,
    private readonly account: Account,
  ) {}

  get state(): ServerState {
    return this.current;
  }

  get ready(): boolean {
    return this.current.kind === "running";
  }

  /** Start, or stop and start again. */
  restart(commands?: Commands): Promise<void> {
    this.commands = commands ?? this.commands;
    return this.serially(async () => {
      await this.end();
      await this.begin();
    });
  }

  showLog(): void {
    this.log.show();
  }

  async stop(): Promise<void> {
    await this.serially(() => this.end());
  }

  dispose(): void {
    void this.stop().finally(() => {
      this.log.dispose();
      this.changed.dispose();
    });
  }

  uri(document: vscode.TextDocument): string {
    return this.client?.code2ProtocolConverter.asUri(document.uri) ?? document.uri.toString();
  }

  async request<M extends keyof Requests>(
    method: M,
    params: Requests[M]["params"],
    token?: vscode.CancellationToken,
  ): Promise<Requests[M]["result"]> {
    const client = this.running();
    // An argument that is there and undefined would count as a second parameter, and both be sent as a list.
    return token === undefined
      ? client.sendRequest<Requests[M]["result"]>(method, params)
      : client.sendRequest<Requests[M]["result"]>(method, params, token);
  }

  async stream<R>(
    method: string,
    params: object,
    onPart: (part: unknown) => void,
    token: vscode.CancellationToken,
  ): Promise<R> {
    const client = this.running();
    const partialResultToken = `hearth-${++this.tokens}`;
    const listening = client.onProgress(new ProgressType<unknown>(), partialResultToken, onPart);
    try {
      return await client.sendRequest<R>(method, { ...params, partialResultToken }, token);
    } finally {
      listening.dispose();
    }
  }

  notify<M extends keyof Notifications>(method: M, params: Notifications[M]): void {
    if (this.ready) {
      // A server that dies meanwhile has no use for it.
      this.client?.sendNotification(method, params).catch(() => undefined);
    }
  }

  private running(): LanguageClient {
    if (this.client === undefined || !this.ready) {
      throw new Error("Hearth's server is not running");
    }
    return this.client;
  }

  private serially(work: () => Promise<void>): Promise<void> {
    this.queue = this.queue.then(work).catch((error: unknown) => this.log.error(String(error)));
    return this.queue;
  }

  private async begin(): Promise<void> {
    this.become({ kind: "starting" });
    let reached: Reached;
    try {
      reached = setting("server.url") === "" ? reachLocal() : await reachRemote(this.account, this.repositories);
    } catch (error) {
      this.notReached(error);
      return;
    }
    const client = this.makeClient(reached);
    this.client = client;
    this.startedAt = Date.now();
    client.onNotification(STATUS, (status: Status) => {
      if (this.client === client && this.ready) {
        this.become({ kind: "running", status });
      }
    });
    client.onDidChangeState(({ newState }) => {
      if (newState === State.Stopped && this.client === client) {
        this.died();
      }
    });
    try {
      await client.start();
    } catch (error) {
      this.log.error(`the server did not start: ${String(error)}`);
      this.died();
      return;
    }
    if (this.client === client) {
      this.told = "";
      this.become({ kind: "running", status: undefined });
      const status = await client.sendRequest<Status>(STATUS, {}).catch(() => undefined);
      if (this.client === client && this.ready && status !== undefined) {
        this.become({ kind: "running", status });
      }
    }
  }

  private async end(): Promise<void> {
    const client = this.client;
    this.client = undefined;
    // What was begun before may have failed meanwhile.
    clearTimeout(this.retry);
    this.repositories.stop();
    this.become({ kind: "stopped" });
    if (client?.state === State.Running) {
      await client.stop().catch((error: unknown) => this.log.warn(`the server did not stop: ${String(error)}`));
    }
    await client?.dispose().catch(() => undefined);
  }

  private notReached(error: unknown): void {
    if (!(error instanceof Unreachable)) {
      throw error;
    }
    this.log.warn(error.message);
    if (error.retry) {
      this.tryLater(error.short, error.message);
    } else {
      this.become({ kind: "stuck", short: error.short, reason: error.message });
    }
    // That it is away for now, the status bar says; what the user can mend is worth a message, once.
    if (error.mends.length > 0 && this.told !== error.message) {
      this.told = error.message;
      void this.tell(error);
    }
  }

  /** The server went away by itself: say so, and come back to it. */
  private died(): void {
    if (this.client === undefined) {
      return;
    }
    this.client = undefined;
    if (Date.now() - this.startedAt > HEALTHY_AFTER_MS) {
      this.pauseMs = FIRST_PAUSE_MS;
    }
    if (setting("server.url") === "") {
      this.tryLater("server stopped", "Hearth's server stopped.");
    } else {
      this.tryLater("server away", "The connection to Hearth's server was lost.");
    }
  }

  /** Try again after a pause that grows while it keeps failing, and differs between the editors of a team. */
  private tryLater(short: string, reason: string): void {
    const pause = this.pauseMs * (0.75 + Math.random() / 2);
    this.become({ kind: "waiting", short, seconds: Math.max(1, Math.round(pause / 1_000)), reason });
    this.retry = setTimeout(() => void this.restart(), pause);
    this.pauseMs = Math.min(this.pauseMs * 2, LONGEST_PAUSE_MS);
  }

  private become(state: ServerState): void {
    this.current = state;
    this.changed.fire(state);
  }

  private makeClient({ server, options: start }: Reached): LanguageClient {
    const { scope } = this;
    const synced = new Set<string>();
    const isSynced = (document: vscode.TextDocument): boolean => synced.has(document.uri.toString());
    const options: LanguageClientOptions = {
      documentSelector: SEEN,
      outputChannel: this.log,
      revealOutputChannelOn: RevealOutputChannelOn.Never,
      initializationOptions: { hearth: start },
      initializationFailedHandler: () => false,
      errorHandler: {
        error: () => ({ action: ErrorAction.Continue, handled: true }),
        closed: () => ({ action: CloseAction.DoNotRestart, handled: true }),
      },
      middleware: {
        // Nothing of an excluded file reaches the server.
        didOpen: async (document, next) => {
          if (scope.whyHidden(document) === "") {
            synced.add(document.uri.toString());
            await next(document);
          }
        },
        didChange: async (event, next) => {
          if (isSynced(event.document)) {
            await next(event);
          }
        },
        didSave: async (document, next) => {
          if (isSynced(document)) {
            await next(document);
          }
        },
        didClose: async (document, next) => {
          if (synced.delete(document.uri.toString())) {
            await next(document);
          }
        },
        provideHover: (document, position, token, next) =>
          isSynced(document) ? next(document, position, token) : undefined,
        provideCodeActions: (document, range, context, token, next) =>
          isSynced(document) ? next(document, range, context, token) : undefined,
        executeCommand: (name, args, next) => {
          if (name === SERVER_EXPLAIN) {
            this.commands?.explain(args[0] as ExplainArguments);
            return undefined;
          }
          if (name === SERVER_ACCEPTED) {
            this.commands?.accepted(String(args[0]));
            if (!setting("telemetry")) {
              return undefined;
            }
          }
          return next(name, args) as unknown;
        },
      },
    };
    const client = new HearthClient("hearth", "Hearth", server, options);
    client.registerFeature(new InlineCompletionCapability());
    return client;
  }

  private async tell({ message, mends }: Unreachable): Promise<void> {
    const buttons = mends.map((mend) => ({ title: mend.kind === "signIn" ? "Sign in" : "Open settings", mend }));
    const mend = (await vscode.window.showErrorMessage(message, ...buttons))?.mend;
    if (mend?.kind === "signIn") {
      await vscode.commands.executeCommand("hearth.signIn");
    } else if (mend !== undefined) {
      await vscode.commands.executeCommand("workbench.action.openSettings", `hearth.${mend.name}`);
    }
  }
}

/** The client without its own inline completion, which can neither stream nor type through. */
class HearthClient extends LanguageClient {
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- the type of the base class.
  override registerFeature(feature: StaticFeature | DynamicFeature<any>): void {
    const method = "registrationType" in feature ? feature.registrationType.method : undefined;
    if (method !== INLINE_COMPLETION) {
      super.registerFeature(feature);
    }
  }
}

/** Tells the server that this editor shows inline completions. */
class InlineCompletionCapability implements StaticFeature {
  fillClientCapabilities(capabilities: { textDocument?: { inlineCompletion?: object } }): void {
    capabilities.textDocument = { ...capabilities.textDocument, inlineCompletion: {} };
  }
  initialize(): void {}
  getState(): { kind: "static" } {
    return { kind: "static" };
  }
  clear(): void {}
}
