import { Client } from "./client";

export interface Options {
  retries?: number;
}

/** Fetches a page and tries again when that fails. */
export async function fetchPage(client: Client, url: string, options: Options = {}): Promise<string> {
  for (let attempt = 0; attempt <= (options.retries ?? 3); attempt++) {
    const answer = await client.get(url);
    if (answer.ok) {
      return answer.text();
    }
  }
  throw new Error(`no answer from ${url}`);
}

export const first = (items: string[]): string => items[0];
