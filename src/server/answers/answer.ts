/** Sends whole answers: a short one at once, a long one at the client's pace while it counts against the budget. */
import type { RequestContext } from "../request.ts";
import { bodyOfPieces } from "../streams/pieces-body.ts";
import type { AnswerBudget, AnswerReservation } from "./answer-budget.ts";
import { jsonPieces, sizeOf } from "./json-pieces.ts";

export interface Answering {
  context: RequestContext;
  budget: AnswerBudget;
  /** A client that takes nothing for so long is disconnected. */
  stalledSeconds: number;
  signal: AbortSignal;
}

export interface AnswerOptions {
  status?: number;
  headers?: Record<string, string>;
  /** For what the value holds already; released with the answer. */
  reservation?: AnswerReservation;
}

/** Up to this size an answer has a Content-Length and does not count: a socket's buffers hold as much. */
const shortBytes = 65_536;
const pieceBytes = 16_384;

/** Throws unread_limit and overloaded, unless the request has had its effect. */
export function answerJson(
  answering: Answering,
  value: unknown,
  { status = 200, headers, reservation }: AnswerOptions = {},
): Response {
  const init = { status, headers: { "Content-Type": "application/json", ...headers } };
  const pieces = encoded(jsonPieces(value));
  const start = startOf(pieces);
  if (start.isAll || isHead(answering)) {
    reservation?.release();
    return atOnce(answering, start.bytes, init);
  }
  const held = reservation ?? reserved(answering, sizeOf(value));
  return paced(answering, [start.bytes], pieces, held, init);
}

/** For content that all its readers share, and that therefore takes no memory of its own. */
export function answerShared(
  answering: Answering,
  content: Uint8Array[],
  headers: Record<string, string>,
): Response {
  const init = { status: 200, headers };
  const size = content.reduce((sum, { length }) => sum + length, 0);
  if (size <= shortBytes || isHead(answering)) {
    return atOnce(answering, Buffer.concat(content), init);
  }
  return paced(
    answering,
    content.flatMap((bytes) => [...slicesOf(bytes)]),
    [],
    { release: () => {} },
    init,
  );
}

/** Has a client that stops reading its answer disconnected; one that reads slowly keeps its connection. */
function cutWhenStalled({ context, stalledSeconds }: Answering): void {
  context.env.server.timeout(context.req.raw, stalledSeconds);
}

function atOnce(answering: Answering, bytes: Uint8Array<ArrayBuffer>, init: ResponseInit) {
  cutWhenStalled(answering);
  return new Response(isHead(answering) ? null : bytes, init);
}

function paced(
  answering: Answering,
  start: Iterable<Uint8Array>,
  rest: Iterable<Uint8Array>,
  held: { release(): void },
  init: ResponseInit,
): Response {
  cutWhenStalled(answering);
  return new Response(bodyOfPieces(releasing(start, rest, held), held, answering.signal), init);
}

async function* releasing(
  start: Iterable<Uint8Array>,
  rest: Iterable<Uint8Array>,
  held: { release(): void },
): AsyncGenerator<Uint8Array, undefined> {
  yield* start;
  yield* rest;
  held.release();
}

/** The answer to a request that has taken effect cannot be refused. */
function reserved({ context, budget }: Answering, bytes: number): AnswerReservation {
  const owner = context.get("user")?.id ?? "";
  return context.req.method === "GET"
    ? budget.reserve(owner, bytes)
    : budget.reserveAnyway(owner, bytes);
}

function isHead({ context }: Answering): boolean {
  return context.req.method === "HEAD";
}

/** Takes pieces until there are more than a short answer has. */
function startOf(pieces: Iterator<Uint8Array>) {
  const taken: Uint8Array[] = [];
  for (let bytes = 0; bytes <= shortBytes; ) {
    const next = pieces.next();
    if (next.done) return { bytes: Buffer.concat(taken), isAll: true };
    taken.push(next.value);
    bytes += next.value.length;
  }
  return { bytes: Buffer.concat(taken), isAll: false };
}

function* encoded(texts: Iterable<string>): Generator<Uint8Array, undefined> {
  const encoder = new TextEncoder();
  let text = "";
  for (const piece of texts) {
    text += piece;
    if (text.length < pieceBytes) continue;
    yield encoder.encode(text);
    text = "";
  }
  if (text !== "") yield encoder.encode(text);
}

function* slicesOf(bytes: Uint8Array): Generator<Uint8Array, undefined> {
  for (let start = 0; start < bytes.length; start += pieceBytes) {
    yield bytes.subarray(start, start + pieceBytes);
  }
}
