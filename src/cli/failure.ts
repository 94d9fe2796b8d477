/** Any error → the words for the screen and the exit code, once. */
import { DaemonError, type ErrorBody } from "../client/failure.ts";
import { BhattiError, messageOf } from "../errors/bhatti-error.ts";
import { catalogue, isErrorCode } from "../errors/catalogue.ts";
import { OutputClosed } from "./system.ts";
import { UsageError } from "./usage-error.ts";

/** As a program that SIGPIPE ends. */
const brokenPipe = 141;

export interface Failure {
  exitCode: number;
  /** What stderr gets; nothing when there is nobody to tell. */
  text: string;
}

export function failureFor(error: unknown, json: boolean): Failure {
  if (error instanceof OutputClosed) return { exitCode: brokenPipe, text: "" };
  const { line, hint, body } = describe(error);
  if (json) return { exitCode: 1, text: `${JSON.stringify(body)}\n` };
  const help = error instanceof UsageError ? `${error.help}\n` : "";
  return { exitCode: 1, text: `${help}${line}\n${hint ? `${hint}\n` : ""}` };
}

function describe(error: unknown): { line: string; hint: string | undefined; body: ErrorBody } {
  if (error instanceof DaemonError) {
    const reference = error.status >= 500 && error.requestId ? ` (${error.requestId})` : "";
    return {
      line: `${error.status} ${error.statusText}: ${error.message}${reference}`,
      hint: error.hint,
      body: {
        error: error.message,
        code: error.code,
        ...(error.requestId && { request_id: error.requestId }),
        ...ownHint(error.code, error.hint),
      },
    };
  }
  const code = error instanceof BhattiError ? error.code : "internal";
  const hint = error instanceof BhattiError ? error.hint : undefined;
  const message = messageOf(error);
  return {
    line: `Error: ${message}`,
    hint,
    body: { error: message, code, ...ownHint(code, hint) },
  };
}

/** As the daemon does it: what its code has to say goes without saying. */
function ownHint(code: string, hint: string | undefined): { hint?: string } {
  const known = isErrorCode(code) ? catalogue[code].hint : undefined;
  return hint !== undefined && hint !== known ? { hint } : {};
}
