/** Bytes to frames and back: the lowest layer of docs/wire-protocol.md. */

const headerBytes = 12;
const trailerBytes = 1;
export const maxPayloadBytes = 32_768;
export const maxFrameBytes = headerBytes + maxPayloadBytes + trailerBytes;
/** What a DATA frame carries besides its channel byte. */
export const maxDataBytes = maxPayloadBytes - 1;
/** The credit that each direction of a stream starts with. */
export const initialCredit = 262_144;
export const maxMessageBytes = 4 * 1024 * 1024;

const magicLow = 0xa7;
const magicHigh = 0xb4;
const terminator = 0x0a;

export const FrameType = {
  hello: 1,
  request: 2,
  reply: 3,
  open: 16,
  opened: 17,
  data: 18,
  end: 19,
  credit: 20,
  control: 21,
  result: 22,
  error: 23,
  close: 24,
} as const;

/** The only flag: a JSON payload goes on in the next frame of this stream and type. */
export const moreFlag = 1;

export interface Frame {
  stream: number;
  type: number;
  flags: number;
  /** Lies in the chunk that was fed where the chunk holds the whole frame. */
  payload: Uint8Array;
}

export type ProtocolViolation =
  | "too_long"
  | "bad_magic"
  | "bad_flags"
  | "bad_end"
  | "bad_type"
  | "bad_payload"
  | "bad_stream"
  | "bad_order"
  | "over_credit"
  | "flood";

/** The other side broke the protocol. Never reaches a user: the line turns it into the reason why it was closed. */
export class ProtocolError extends Error {
  readonly violation: ProtocolViolation;

  constructor(violation: ProtocolViolation, message: string, options?: { cause: unknown }) {
    super(message, options);
    this.name = "ProtocolError";
    this.violation = violation;
  }
}

export function encodeFrame(
  stream: number,
  type: number,
  payload: Uint8Array,
  flags = 0,
): Uint8Array {
  const frame = Buffer.allocUnsafe(headerBytes + payload.length + trailerBytes);
  writeHeader(frame, 0, { length: payload.length, stream, type, flags });
  frame.set(payload, headerBytes);
  frame[frame.length - 1] = terminator;
  return frame;
}

/** As many DATA frames as the bytes need, in one buffer. */
export function encodeData(stream: number, channel: number, data: Uint8Array): Uint8Array {
  const overhead = headerBytes + 1 + trailerBytes;
  const count = Math.ceil(data.length / maxDataBytes);
  const frames = Buffer.allocUnsafe(data.length + count * overhead);
  let at = 0;
  for (let from = 0; from < data.length; from += maxDataBytes) {
    const piece = data.subarray(from, from + maxDataBytes);
    writeHeader(frames, at, { length: piece.length + 1, stream, type: FrameType.data, flags: 0 });
    at += headerBytes;
    frames[at++] = channel;
    frames.set(piece, at);
    at += piece.length;
    frames[at++] = terminator;
  }
  return frames;
}

/** A JSON message as one frame, or as several when it is long. Throws too_long. */
export function encodeMessage(stream: number, type: number, message: unknown): Uint8Array {
  const bytes = Buffer.from(JSON.stringify(message));
  if (bytes.length > maxMessageBytes) {
    throw new ProtocolError("too_long", `The message has ${bytes.length} bytes`);
  }
  if (bytes.length <= maxPayloadBytes) return encodeFrame(stream, type, bytes);
  const frames: Uint8Array[] = [];
  for (let from = 0; from < bytes.length; from += maxPayloadBytes) {
    const last = from + maxPayloadBytes >= bytes.length;
    const piece = bytes.subarray(from, from + maxPayloadBytes);
    frames.push(encodeFrame(stream, type, piece, last ? 0 : moreFlag));
  }
  return Buffer.concat(frames);
}

export function encodeCredit(stream: number, bytes: number): Uint8Array {
  const payload = Buffer.allocUnsafe(4);
  payload.writeUInt32LE(bytes);
  return encodeFrame(stream, FrameType.credit, payload);
}

function writeHeader(
  target: Buffer,
  at: number,
  header: { length: number; stream: number; type: number; flags: number },
): void {
  target.writeUInt32LE(header.length, at);
  target.writeUInt32LE(header.stream, at + 4);
  target[at + 8] = header.type;
  target[at + 9] = header.flags;
  target[at + 10] = magicLow;
  target[at + 11] = magicHigh;
}

interface Header {
  length: number;
  stream: number;
  type: number;
  flags: number;
}

/**
 * Cuts a byte stream into frames, however it arrives. Holds at most one frame that is not complete yet, and copies
 * only frames that lie in more than one chunk. After it has thrown, it must be reset.
 */
export class FrameDecoder {
  readonly #header = new Uint8Array(headerBytes);
  #headerLength = 0;
  #current: Header | undefined;
  #body = new Uint8Array(0);
  #bodyLength = 0;

  /** Calls back for each frame that the chunk completes. Throws a ProtocolError. */
  feed(chunk: Uint8Array, onFrame: (frame: Frame) => void): void {
    let at = 0;
    while (at < chunk.length) {
      at = this.#atBoundary() ? this.#whole(chunk, at, onFrame) : this.#part(chunk, at, onFrame);
    }
  }

  reset(): void {
    this.#headerLength = 0;
    this.#current = undefined;
  }

  #atBoundary(): boolean {
    return this.#current === undefined && this.#headerLength === 0;
  }

  /** Passes on the frame at `at` if the chunk holds all of it. */
  #whole(chunk: Uint8Array, at: number, onFrame: (frame: Frame) => void): number {
    const bodyAt = at + headerBytes;
    if (bodyAt > chunk.length) return this.#part(chunk, at, onFrame);
    const header = parseHeader(chunk, at);
    const end = bodyAt + header.length + trailerBytes;
    if (end > chunk.length) {
      this.#expectBody(header);
      return this.#part(chunk, bodyAt, onFrame);
    }
    checkEnd(chunk[end - 1]);
    onFrame(frameOf(header, chunk.subarray(bodyAt, end - 1)));
    return end;
  }

  /** Adds what the chunk has of a frame whose other parts lie in other chunks. */
  #part(chunk: Uint8Array, at: number, onFrame: (frame: Frame) => void): number {
    if (!this.#current) {
      const taken = Math.min(headerBytes - this.#headerLength, chunk.length - at);
      this.#header.set(chunk.subarray(at, at + taken), this.#headerLength);
      this.#headerLength += taken;
      if (this.#headerLength === headerBytes) this.#expectBody(parseHeader(this.#header, 0));
      return at + taken;
    }
    const taken = Math.min(this.#body.length - this.#bodyLength, chunk.length - at);
    this.#body.set(chunk.subarray(at, at + taken), this.#bodyLength);
    this.#bodyLength += taken;
    if (this.#bodyLength === this.#body.length) {
      const header = this.#current;
      this.reset();
      checkEnd(this.#body[header.length]);
      onFrame(frameOf(header, this.#body.subarray(0, header.length)));
    }
    return at + taken;
  }

  #expectBody(header: Header): void {
    this.#current = header;
    this.#body = new Uint8Array(header.length + trailerBytes);
    this.#bodyLength = 0;
  }
}

function frameOf(header: Header, payload: Uint8Array): Frame {
  return { stream: header.stream, type: header.type, flags: header.flags, payload };
}

function parseHeader(bytes: Uint8Array, at: number): Header {
  const length = readUint32(bytes, at);
  const stream = readUint32(bytes, at + 4);
  const type = bytes[at + 8] ?? 0;
  const flags = bytes[at + 9] ?? 0;
  if (length > maxPayloadBytes) {
    throw new ProtocolError("too_long", `A frame says that it has ${length} bytes`);
  }
  if (bytes[at + 10] !== magicLow || bytes[at + 11] !== magicHigh) {
    throw new ProtocolError("bad_magic", "A frame's header lacks its constant");
  }
  if (flags > moreFlag) throw new ProtocolError("bad_flags", `A frame has the flags ${flags}`);
  return { length, stream, type, flags };
}

/** Whether this version of the protocol has the type. Others are for later versions, and ignored. */
export function isKnownType(type: number): boolean {
  return (type >= FrameType.hello && type <= FrameType.reply) || isStreamType(type);
}

export function isStreamType(type: number): boolean {
  return type >= FrameType.open && type <= FrameType.close;
}

/** Whether the payload of such a frame is JSON, which may go on in further frames. */
export function isMessage(type: number): boolean {
  switch (type) {
    case FrameType.data:
    case FrameType.end:
    case FrameType.credit:
    case FrameType.close:
      return false;
    default:
      return true;
  }
}

export function readUint32(bytes: Uint8Array, at: number): number {
  const [a = 0, b = 0, c = 0, d = 0] = [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
  return (a | (b << 8) | (c << 16) | (d << 24)) >>> 0;
}

function checkEnd(byte: number | undefined): void {
  if (byte === terminator) return;
  throw new ProtocolError("bad_end", "A frame was cut off: its last byte is missing");
}
