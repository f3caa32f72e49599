/** What the team's server is told of the open folders: it cannot look at this machine's disk. */

import { readFile } from "node:fs/promises";
import { dirname, isAbsolute, join } from "node:path";
import * as vscode from "vscode";
import type { RepositoryClaim } from "../protocol";

const MAX_FILE_CHARACTERS = 256 * 1024;
/** git writes several files when a branch is checked out. */
const SETTLE_MS = 300;

/** A work tree, and the folders of git's files that say what it is. */
interface Clone {
  claim: RepositoryClaim;
  places: string[];
}

/** Describes the work trees of the open folders, and notices when that changes. Nothing is run, git's files are only read. */
export class Repositories implements vscode.Disposable {
  private claimed = "";
  private watchers: vscode.Disposable[] = [];
  private settling: NodeJS.Timeout | undefined;

  /** `tell` is called when it is no longer as it was at the last `claim`. */
  constructor(private readonly tell: (claims: RepositoryClaim[]) => void) {}

  /** Describe each work tree, and watch them from now on. */
  async claim(): Promise<RepositoryClaim[]> {
    const folders = (vscode.workspace.workspaceFolders ?? []).filter(({ uri }) => uri.scheme === "file");
    const found = await Promise.all(folders.map(({ uri }) => findClone(uri.fsPath)));
    const clones = new Map(found.filter((item) => item !== undefined).map((item) => [item.claim.uri, item]));
    const claims = [...clones.values()].map(({ claim }) => claim);
    this.stop();
    this.claimed = JSON.stringify(claims);
    this.watch(new Set([...clones.values()].flatMap(({ places }) => places)));
    return claims;
  }

  /** Watch no more. */
  stop(): void {
    clearTimeout(this.settling);
    for (const watcher of this.watchers.splice(0)) {
      watcher.dispose();
    }
  }

  dispose(): void {
    this.stop();
  }

  private watch(places: Set<string>): void {
    const look = (): void => {
      clearTimeout(this.settling);
      this.settling = setTimeout(() => void this.look(), SETTLE_MS);
    };
    this.watchers.push(vscode.workspace.onDidChangeWorkspaceFolders(look));
    for (const place of places) {
      const pattern = new vscode.RelativePattern(vscode.Uri.file(place), "{HEAD,config}");
      const watcher = vscode.workspace.createFileSystemWatcher(pattern);
      this.watchers.push(watcher, watcher.onDidChange(look), watcher.onDidCreate(look));
    }
  }

  private async look(): Promise<void> {
    const before = this.claimed;
    const claims = await this.claim();
    if (this.claimed !== before) {
      this.tell(claims);
    }
  }
}

async function findClone(folder: string): Promise<Clone | undefined> {
  for (let root = folder; ; root = dirname(root)) {
    const directory = await gitDirectory(root);
    if (directory !== undefined) {
      const common = await commonDirectory(directory);
      const claim = {
        uri: vscode.Uri.file(root).toString(),
        remote: remoteIn(await read(join(common, "config"))),
        head: /^ref: refs\/heads\/(.+)$/m.exec(await read(join(directory, "HEAD")))?.[1] ?? "",
      };
      return { claim, places: [directory, common] };
    }
    if (dirname(root) === root) {
      return undefined;
    }
  }
}

/** `.git` is a folder, or in linked work trees and submodules a file that names one. */
async function gitDirectory(root: string): Promise<string | undefined> {
  const marker = join(root, ".git");
  if ((await read(join(marker, "HEAD"))) !== "") {
    return marker;
  }
  const linked = /^gitdir: (.+)$/m.exec(await read(marker))?.[1];
  return linked === undefined ? undefined : absolute(root, linked);
}

async function commonDirectory(directory: string): Promise<string> {
  const common = (await read(join(directory, "commondir"))).trim();
  return common === "" ? directory : absolute(directory, common);
}

/** Return the address of `origin`, or else of the first remote, without a name or password in it. */
function remoteIn(config: string): string {
  const remotes = new Map<string, string>();
  let section = "";
  for (const line of config.split(/\r?\n/)) {
    section = /^\s*\[(.*)\]/.exec(line)?.[1] ?? section;
    const name = /^remote "(.+)"$/.exec(section)?.[1];
    const url = /^\s*url\s*=\s*(.+?)\s*$/.exec(line)?.[1];
    if (name !== undefined && url !== undefined && !remotes.has(name)) {
      remotes.set(name, url);
    }
  }
  const remote = remotes.get("origin") ?? [...remotes.values()][0] ?? "";
  return remote.replace(/^([a-z+]+:\/\/)[^/@]*@/i, "$1");
}

function absolute(base: string, path: string): string {
  return isAbsolute(path) ? path : join(base, path);
}

/** Return a file's text; empty when there is none. */
async function read(path: string): Promise<string> {
  try {
    return (await readFile(path, "utf8")).slice(0, MAX_FILE_CHARACTERS);
  } catch {
    return "";
  }
}
