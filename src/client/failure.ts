/** What can go wrong between a client and its daemon, each with the address that was tried. */
import { BhattiError, messageOf } from "../errors/bhatti-error.ts";
import { catalogue, type ErrorCode, isErrorCode } from "../errors/catalogue.ts";
import { recordIn } from "./json.ts";

export interface ErrorBody {
  error: string;
  code: string;
  request_id?: string;
  hint?: string | undefined;
  /** Seconds until the same request may succeed. */
  retry_after?: number | undefined;
}

/** The daemon refused: its status, its words, its code. */
export class DaemonError extends Error {
  override name = "DaemonError";
  readonly status: number;
  readonly statusText: string;
  /** From the catalogue, unless the daemon is newer; from `codeFor` if the daemon sends none. */
  readonly code: string;
  readonly requestId: string | undefined;
  /** What the daemon says should be done, or the catalogue. */
  readonly hint: string | undefined;
  /** Seconds until the same request may succeed, for errors of the rate limit. */
  readonly retryAfter: number | undefined;

  constructor(status: number, body: ErrorBody, statusText = "") {
    super(body.error);
    this.status = status;
    this.statusText = phrases[status] ?? statusText;
    this.code = body.code;
    this.requestId = body.request_id;
    this.hint = body.hint ?? (isErrorCode(body.code) ? catalogue[body.code].hint : undefined);
    this.retryAfter = body.retry_after;
  }

  /** An error within a stream comes without a status: it is that of its code. */
  static fromEvent(event: Record<string, unknown>): DaemonError {
    const { error = event["message"] ?? event["data"], retry_after } = event;
    const message = typeof error === "string" ? error : "the daemon names no reason";
    const body = errorBody({ ...event, error: message }, 500);
    const status = isErrorCode(body.code) ? catalogue[body.code].status : 500;
    return new DaemonError(status, {
      ...body,
      ...(typeof retry_after === "number" && { retry_after }),
    });
  }
}

/** For every status of the catalogue: what comes over the wire is the runtime's choice, or nothing at all. */
const phrases: Record<number, string> = {
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  409: "Conflict",
  413: "Content Too Large",
  426: "Upgrade Required",
  429: "Too Many Requests",
  499: "Client Closed Request",
  500: "Internal Server Error",
  502: "Bad Gateway",
  503: "Service Unavailable",
  504: "Gateway Timeout",
  507: "Insufficient Storage",
};

/** An answer that is no success → the error it stands for. */
export async function failureOf(response: Response, url: string): Promise<Error> {
  const body = await response.text().catch(() => "");
  const parsed = parseError(body, response.status);
  if (!parsed) return notBhatti(url, response);
  const retryAfter =
    response.status === 429 ? secondsIn(response.headers.get("retry-after")) : undefined;
  const full = { ...parsed, ...(retryAfter !== undefined && { retry_after: retryAfter }) };
  return new DaemonError(response.status, full, response.statusText);
}

/** Of a Retry-After header; undefined for none, and for a date, which a daemon never answers. */
function secondsIn(header: string | null): number | undefined {
  return header !== null && /^\d+$/.test(header) ? Number(header) : undefined;
}

function parseError(text: string, status: number): ErrorBody | undefined {
  const body = recordIn(text);
  return typeof body?.["error"] === "string" ? errorBody(body, status) : undefined;
}

function errorBody(
  { error, code, request_id, hint }: Record<string, unknown>,
  status: number,
): ErrorBody {
  const message = String(error);
  return {
    error: message,
    code: typeof code === "string" ? code : codeFor(status, message),
    ...(typeof request_id === "string" && { request_id }),
    ...(typeof hint === "string" && { hint }),
  };
}

/** The original sends no codes: derives one from the message, else from the status. */
const patterns: [pattern: RegExp, code: ErrorCode][] = [
  [/rate limit/i, "rate_limited"],
  [/not running/i, "sandbox_not_running"],
  [/sandbox\b.*\bnot found/i, "sandbox_not_found"],
  [/already exists/i, "name_taken"],
  [/sandbox limit|max sandbox/i, "sandbox_limit"],
];
const codesByStatus: Record<number, ErrorCode> = {
  400: "bad_request",
  401: "unauthorized",
  404: "not_found",
  405: "method_not_allowed",
  413: "body_too_large",
  429: "rate_limited",
};

function codeFor(status: number, message: string): ErrorCode {
  const known = patterns.find(([pattern]) => pattern.test(message));
  return known?.[1] ?? codesByStatus[status] ?? "internal";
}

/** Something answers, but not a bhatti daemon. */
export function notBhatti(url: string, response: Response): BhattiError {
  const type = response.headers.get("content-type")?.split(";")[0] ?? "no content type";
  return new BhattiError(
    "not_bhatti",
    `the server at ${url} is not a bhatti daemon: ${response.status} with ${type}`,
  );
}

/** For requests that start an operation, which may have started although the answer was lost. */
const operationHint = "The operation may have started; check it: bhatti operation list";

/** A request that was given up, because nothing came back for too long. */
export function silent(
  url: string,
  milliseconds: number,
  cause: unknown,
  isOperation = false,
): BhattiError {
  const usual = "Check the daemon log, or the URL: bhatti setup";
  return new BhattiError(
    "daemon_unreachable",
    `the daemon at ${url} did not respond within ${milliseconds / 1000} s`,
    { cause, hint: isOperation ? operationHint : usual },
  );
}

/** A request that got no answer. */
export function unreachable(url: string, cause: unknown, isOperation = false): BhattiError {
  const { hint: usual, reason, wasSent } = explain(cause);
  const hint = isOperation && wasSent ? operationHint : usual;
  return new BhattiError("daemon_unreachable", `cannot reach the daemon at ${url}: ${reason}`, {
    cause,
    ...(hint && { hint }),
  });
}

interface Explanation {
  /** What the runtimes call it, in their error codes. */
  codes: RegExp;
  reason?: string;
  hint?: string;
  /** The daemon may have had the request. */
  wasSent?: true;
}

const explanations: Explanation[] = [
  { codes: /REFUSED|FailedToOpenSocket/i, reason: "connection refused" },
  {
    codes: /ENOTFOUND|EAI_|DNS/i,
    reason: "no such host",
    hint: "Check the daemon URL: bhatti setup, --url or BHATTI_URL",
  },
  {
    codes: /RESET|ConnectionClosed|EPIPE/i,
    wasSent: true,
    reason: "the connection was closed",
    hint: "Check the daemon log, or start the daemon: bhatti serve",
  },
  { codes: /TIMEDOUT|TimeoutError/i, reason: "timed out" },
  {
    codes: /EPROTO|WRONG_VERSION/i,
    reason: "the server does not use TLS",
    hint: "Use http:// instead of https://: bhatti setup",
  },
  {
    codes: /ALTNAME/i,
    reason: "the certificate is for another host",
    hint: "Check the daemon URL: bhatti setup, --url or BHATTI_URL",
  },
  {
    codes: /CERT|SELF_SIGNED|UNABLE_TO_/i,
    reason: "the certificate is not trusted",
    hint: "Set NODE_EXTRA_CA_CERTS to a file with the certificate of your CA",
  },
];

function explain(cause: unknown): Partial<Explanation> & { reason: string } {
  const code = codeOf(cause) || codeOf((cause as { cause?: unknown } | undefined)?.cause);
  const found = explanations.find(({ codes }) => codes.test(code));
  return { ...found, reason: found?.reason ?? messageOf(cause) };
}

function codeOf(error: unknown): string {
  const { code, name } = (error ?? {}) as { code?: unknown; name?: unknown };
  if (typeof code === "string") return code;
  return name === "TimeoutError" ? name : "";
}
