/** What a client needs from its surroundings, so that it runs on Bun, on Node and in a browser. */

export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

/** A WebSocket that is read by pulling, so that a slow reader slows the sender. */
export interface WebSocketChannel {
  /** Resolves when the send buffer has room. */
  send(message: string | Uint8Array<ArrayBuffer>): Promise<void>;
  /** Text and binary messages until the end; a loss of the connection ends it too, `close` frames or not. */
  messages: AsyncIterable<string | Uint8Array>;
  /** Says goodbye and lets go of the connection. */
  close(): void;
}

export interface UpgradeRequest {
  headers: Record<string, string>;
  /** The connection counts as lost when nothing at all has come for so long, although it is read. */
  silenceMs: number;
  signal?: AbortSignal;
}

/** Throws UpgradeRefused when the server answers with anything but an upgrade. */
export type ConnectWebSocket = (url: string, request: UpgradeRequest) => Promise<WebSocketChannel>;

export class UpgradeRefused extends Error {
  override name = "UpgradeRefused";
  readonly response: Response;

  constructor(response: Response) {
    super(`the server responded with ${response.status} to the WebSocket handshake`);
    this.response = response;
  }
}
