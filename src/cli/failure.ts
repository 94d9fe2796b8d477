/** Any error → the words for the screen and the exit code, once. */
import { DaemonError, type ErrorBody } from "../client/failure.ts";
import { shownText } from "../contract/byte-text.ts";
import { isBhattiError, messageOf } from "../errors/bhatti-error.ts";
import { type Names, withNames } from "./names.ts";
import { OutputClosed } from "./system.ts";
import { UsageError } from "./usage-error.ts";

/** As a program that SIGPIPE ends. */
const brokenPipe = 141;

export interface Failure {
  /** Undefined: the command's exit code for failures. */
  exitCode?: number;
  /** Text for stderr; empty if it is closed. */
  text: string;
}

/** `name`: the failed one of several objects. */
export function failureFor(error: unknown, json: boolean, names: Names, name?: string): Failure {
  if (error instanceof OutputClosed) return { exitCode: brokenPipe, text: "" };
  const hint = hintOf(error, names);
  const { line, body } = describe(error);
  if (json) return { text: `${JSON.stringify({ ...body, hint, name })}\n` };
  const usage = error instanceof UsageError ? error.usage : undefined;
  const lines = [name === undefined ? line : `${name}: ${line}`, usage, hint].filter(
    (one) => one !== undefined,
  );
  return { text: lines.map((one) => `${one}\n`).join("") };
}

function describe(error: unknown): { line: string; body: ErrorBody } {
  if (error instanceof DaemonError) {
    const reference = error.status >= 500 && error.requestId ? ` (${error.requestId})` : "";
    return {
      line: `${error.status} ${error.statusText}: ${error.message}${reference}`,
      body: {
        error: error.message,
        code: error.code,
        ...(error.requestId && { request_id: error.requestId }),
      },
    };
  }
  const code = isBhattiError(error) ? error.code : "internal";
  const message = shownText(messageOf(error));
  return { line: `Error: ${message}`, body: { error: message, code } };
}

function hintOf(error: unknown, names: Names): string | undefined {
  const { hint } = error instanceof DaemonError || isBhattiError(error) ? error : {};
  return hint && shownText(withNames(hint, names));
}
