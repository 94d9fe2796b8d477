/** Collects a command's output for one answer, up to a limit and to what the budget has room for. */
import { releasedBy } from "../../async/pieces.ts";
import { bufferedOutputBytes, truncationNote } from "../../contract/exec-limits.ts";
import { isText } from "../../contract/text-events.ts";
import type { ExecOutput, RunningCommand } from "../../services/running-command.ts";
import type { AnswerReservation } from "../answers/answer-budget.ts";
import { ByteBlocks } from "../answers/byte-blocks.ts";
import { LongText } from "../answers/json-pieces.ts";

/** An `ExecResult` that encodes its output while it is sent. A client that disconnects releases the command. */
export async function collectOutput(
  command: RunningCommand,
  reservation: AnswerReservation,
  signal: AbortSignal,
) {
  using _ = releasedBy(signal, command);
  try {
    const output = new CollectedOutput(reservation);
    for await (const piece of command) output.add(piece);
    const result = await command.result;
    signal.throwIfAborted();
    return {
      exit_code: result.exitCode,
      ...output.texts(),
      reason: result.reason,
      ...(result.signal !== undefined && { signal: result.signal }),
      ...(output.isTruncated && { truncated: true }),
      ...(command.warning && { warning: command.warning }),
    };
  } catch (error) {
    command.release();
    throw error;
  }
}

class CollectedOutput {
  readonly #reservation: AnswerReservation;
  readonly #blocks = { 1: new ByteBlocks(), 2: new ByteBlocks() };
  #room = bufferedOutputBytes;
  #isTruncated = false;

  constructor(reservation: AnswerReservation) {
    this.#reservation = reservation;
  }

  get isTruncated(): boolean {
    return this.#isTruncated;
  }

  /** Output after dropped output is dropped too. */
  add({ channel, chunk }: ExecOutput): void {
    const bytes = chunk.subarray(1, 1 + this.#room);
    if (this.#isTruncated || !this.#reservation.grow(bytes.length)) {
      this.#isTruncated = true;
      return;
    }
    this.#blocks[channel].append(bytes);
    this.#room -= bytes.length;
    this.#isTruncated = bytes.length < chunk.length - 1;
  }

  /** Both as text, or both as base64. */
  texts() {
    const { 1: stdout, 2: stderr } = this.#blocks;
    const isUnicode = [stdout, stderr].every((blocks) => isText(blocks, this.#isTruncated));
    const encode = isUnicode ? decoded : base64;
    const kept = stdout.length + stderr.length;
    const note = this.#isTruncated ? truncationNote(kept, stderr.last) : "";
    return {
      stdout: new LongText(stdout.length, () => encode(stdout, "")),
      stderr: new LongText(stderr.length, () => encode(stderr, note)),
      ...(!isUnicode && { encoding: "base64" as const }),
    };
  }
}

/** Leaves out a character that the truncation has cut. */
function* decoded(blocks: Iterable<Uint8Array>, end: string): Generator<string, undefined> {
  const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });
  for (const piece of piecesOf(blocks)) yield utf8.decode(piece, { stream: true });
  yield end;
}

function* base64(blocks: Iterable<Uint8Array>, end: string): Generator<string, undefined> {
  let rest = new Uint8Array();
  for (const piece of piecesOf(blocks)) {
    const bytes = Buffer.concat([rest, piece]);
    const whole = bytes.length - (bytes.length % 3);
    yield bytes.subarray(0, whole).toBase64();
    rest = bytes.slice(whole);
  }
  yield Buffer.concat([rest, Buffer.from(end)]).toBase64();
}

const pieceBytes = 8192;

function* piecesOf(blocks: Iterable<Uint8Array>): Generator<Uint8Array, undefined> {
  for (const block of blocks) {
    for (let start = 0; start < block.length; start += pieceBytes) {
      yield block.subarray(start, start + pieceBytes);
    }
  }
}
