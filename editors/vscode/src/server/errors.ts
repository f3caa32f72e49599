/** Why a server cannot be reached, in words for the status bar and for a message, and what mends it. */

/** What the user can do about it, offered as a button. */
export type Mend = { kind: "setting"; name: string } | { kind: "signIn" };

/** Return what an error says, for a message. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

export class Unreachable extends Error {
  readonly mends: readonly Mend[];
  /** Whether it may be better in a while without the user doing anything. */
  readonly retry: boolean;

  /**
   * @param short A few words for the status bar.
   * @param message What is wrong and what to do.
   */
  constructor(
    readonly short: string,
    message: string,
    { mends = [], retry }: { mends?: readonly Mend[]; retry: boolean },
  ) {
    super(message);
    this.mends = mends;
    this.retry = retry;
  }
}
