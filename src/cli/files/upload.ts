/** Bytes on their way to the daemon, made as it takes them. */
import type { Received } from "../../client/answer.ts";
import type { Client } from "../../client/client.ts";
import { DaemonError, notBhatti } from "../../client/failure.ts";
import { recordIn } from "../../client/json.ts";
import type { Result } from "../../contract/all.ts";

type Target = Parameters<Client["transfer"]>[1];

export interface Upload {
  /** From the first one, each time that it is called: the daemon's rate limit may have refused a part of them. */
  pieces(): Iterator<Uint8Array> | AsyncIterator<Uint8Array>;
  /** Bytes, when that is known. */
  size?: number;
  signal: AbortSignal;
}

/** The daemon's answer. What goes wrong in making the pieces is thrown before what comes of it. */
export async function upload<Id extends "file.write" | "file.push">(
  client: Client,
  id: Id,
  target: Target,
  { pieces, ...transfer }: Upload,
): Promise<Received<Result<Id>>> {
  let failure: unknown;
  const body = () => {
    const unsent = pieces();
    return new ReadableStream<Uint8Array>(
      {
        async pull(controller) {
          try {
            const next = await unsent.next();
            if (next.done) controller.close();
            else controller.enqueue(next.value);
          } catch (error) {
            failure = error;
            controller.error(error);
          }
        },
        cancel: () => void unsent.return?.(undefined),
      },
      { highWaterMark: 0 },
    );
  };
  try {
    const response = await client.transfer(id, target, { ...transfer, body });
    const answer = recordIn(await response.text());
    if (!answer) throw notBhatti(client.url, response);
    return answer as Received<Result<Id>>;
  } catch (error) {
    throw error instanceof DaemonError ? error : (failure ?? error);
  }
}
