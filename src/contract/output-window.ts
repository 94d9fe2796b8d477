/** Back-pressure for clients that cannot pause their WebSocket: pages, and most libraries. */
import { z } from "zod";

export const OutputWindow = z
  .int()
  .min(65_536)
  .max(4_194_304)
  .describe(
    "Maximum bytes of output in flight before the client sends `taken`; absent: TCP back-pressure only",
  );

/** A client's control message. */
export const OutputTaken = z.strictObject({
  type: z.literal("taken"),
  bytes: z.int().min(1).describe("Bytes of output processed since the previous message"),
});
