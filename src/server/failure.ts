/** The one way from an error to what a client sees of it. */
import { BhattiError, isBhattiError, messageOf } from "../errors/bhatti-error.ts";
import { catalogue, type ErrorCode } from "../errors/catalogue.ts";
import type { Logger } from "../observability/log.ts";

export interface FailureBody {
  error: string;
  code: ErrorCode;
  request_id: string;
  /** What to do, where the place of the failure knows better than the catalogue. */
  hint?: string;
  /** Seconds until the same request may succeed; on HTTP the Retry-After header has them too. */
  retry_after?: number;
}

export interface Failure {
  status: number;
  body: FailureBody;
}

/** Clients rely on the description of the API: a code that it lacks there is a fault of ours. */
export function noteUndocumented(
  code: ErrorCode,
  documented: ReadonlySet<ErrorCode> | undefined,
  log: Logger,
): void {
  if (documented && !documented.has(code)) log.warn("undocumented error", { code });
}

/** Hides the cause of unexpected errors; the log has it, with the request's id. */
export function failureOf(error: unknown, requestId: string, log: Logger): Failure {
  const known = expected(error);
  const { status } = known;
  if (status >= 500) log.error("request failed", { code: known.code, error });
  else log.debug("request refused", { code: known.code, error: messageOf(error) });
  const { message, code, hint, retryAfterSeconds } = known;
  const own = hint !== undefined && hint !== catalogue[code].hint;
  return {
    status,
    body: {
      error: message,
      code,
      request_id: requestId,
      ...(own && { hint }),
      ...(retryAfterSeconds !== undefined && { retry_after: retryAfterSeconds }),
    },
  };
}

function expected(error: unknown): BhattiError {
  if (isBhattiError(error)) return error;
  if (error instanceof DOMException && error.name === "AbortError") {
    return new BhattiError("cancelled", "the client disconnected", { cause: error });
  }
  return new BhattiError("internal", "internal error", { cause: error });
}
