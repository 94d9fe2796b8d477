/** Opens a WebSocket of the daemon and waits for its first message, which may be a rate limit error, to retry. */
import { abortable } from "../async/deadline.ts";
import type { Input } from "../contract/all.ts";
import type { Client, SocketId } from "./client.ts";
import { DaemonError } from "./failure.ts";
import { recordIn } from "./json.ts";
import type { WebSocketChannel } from "./transport.ts";

export interface SocketOptions {
  /** The first message. */
  opening?: object;
  /** Called when it is sent, while the daemon works on it. */
  onSent?: (() => void) | undefined;
  signal?: AbortSignal | undefined;
}

/** Resolves when the first message has come; the channel's messages begin with it. Waits and throws as `call` does. */
export function openSocket<Id extends SocketId>(
  client: Client,
  id: Id,
  input: Input<Id>,
  { opening, onSent, signal }: SocketOptions = {},
): Promise<WebSocketChannel> {
  const open = async () => {
    const channel = await client.upgrade(id, input, signal);
    try {
      if (opening !== undefined) await channel.send(JSON.stringify(opening));
      onSent?.();
      const messages = channel.messages[Symbol.asyncIterator]();
      const coming = messages.next();
      const first = await (signal ? abortable(coming, signal) : coming);
      const limit = first.done ? undefined : rateLimitIn(first.value);
      if (limit) throw limit;
      return startingWith(first, channel, messages);
    } catch (error) {
      channel.close();
      throw error;
    }
  };
  return client.retry(open, signal);
}

type Message = string | Uint8Array;

function rateLimitIn(message: Message): DaemonError | undefined {
  if (typeof message !== "string") return undefined;
  const event = recordIn(message);
  const error = event?.["type"] === "error" ? DaemonError.fromEvent(event) : undefined;
  return error?.retryAfter === undefined ? undefined : error;
}

function startingWith(
  first: IteratorResult<Message>,
  channel: WebSocketChannel,
  rest: AsyncIterator<Message>,
): WebSocketChannel {
  const messages = async function* () {
    for (let next = first; !next.done; next = await rest.next()) yield next.value;
  };
  return {
    send: (message) => channel.send(message),
    close: () => channel.close(),
    messages: messages(),
  };
}
