/** Responses that only confirm what was done. */
import { z } from "zod";

const acknowledgement = <const T extends string>(status: T) =>
  z.object({ status: z.literal(status) });

export const Done = acknowledgement("ok");
export const Deleted = acknowledgement("deleted");
export const Destroyed = acknowledgement("destroyed");
export const Cancelled = acknowledgement("cancelled");
