/** Back-pressure for clients that cannot pause their WebSocket: pages, and most libraries. */
import { z } from "zod";

export const OutputWindow = z
  .int()
  .min(65_536)
  .max(4_194_304)
  .describe(
    "Bytes of output that may be on their way before the client sends `taken`; without a window the client slows the output by not reading",
  );

/** A client's control message. */
export const OutputTaken = z.strictObject({
  type: z.literal("taken"),
  bytes: z.int().min(1).describe("Bytes of output that it has processed since the last time"),
});
