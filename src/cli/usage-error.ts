/** A command line that breaks the syntax of its command. */
import { BhattiError } from "../errors/bhatti-error.ts";

export interface UsageErrorOptions {
  hint?: string | undefined;
  cause?: unknown;
  /** The command's usage line, which follows the message on the screen. */
  usage?: string;
}

export class UsageError extends BhattiError {
  readonly usage: string | undefined;

  constructor(message: string, { hint, cause, usage }: UsageErrorOptions = {}) {
    super("bad_usage", message, { cause, ...(hint !== undefined && { hint }) });
    this.usage = usage;
  }
}
