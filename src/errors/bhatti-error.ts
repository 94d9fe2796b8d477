/** The one error class: a code from the catalogue and a sentence a person can act on. */
import { catalogue, type ErrorCode } from "./catalogue.ts";

export interface BhattiErrorOptions {
  cause?: unknown;
  hint?: string;
  retryAfterSeconds?: number;
}

export class BhattiError extends Error {
  readonly code: ErrorCode;
  /** Says what to do; the catalogue's hint for the code unless the place of the failure knows better. */
  readonly hint: string | undefined;
  /** After how long the same request may succeed; for the Retry-After header. */
  readonly retryAfterSeconds: number | undefined;

  constructor(code: ErrorCode, message: string, options?: BhattiErrorOptions) {
    super(message, options?.cause === undefined ? undefined : { cause: options.cause });
    this.name = "BhattiError";
    this.code = code;
    this.hint = options?.hint ?? catalogue[code].hint;
    this.retryAfterSeconds = options?.retryAfterSeconds;
  }

  get status(): number {
    return catalogue[this.code].status;
  }
}

/** Whether the error is a BhattiError, with the given code if one is given. */
export function isBhattiError(error: unknown, code?: ErrorCode): error is BhattiError {
  return error instanceof BhattiError && (code === undefined || error.code === code);
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
