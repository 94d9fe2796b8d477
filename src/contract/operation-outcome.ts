/** Result and error of an operation, as the API returns them and the store keeps them. */
import { z } from "zod";

const Named = z.object({ id: z.string(), name: z.string() });

export const OperationResult = z.object({
  sandboxes: z.array(Named).exactOptional(),
  snapshot: Named.extend({ size_mb: z.int() }).exactOptional(),
  image: z.string().exactOptional(),
  size_mb: z.int().exactOptional(),
  source: z.string().exactOptional(),
});
export type OperationResult = z.infer<typeof OperationResult>;

export const OperationError = z.object({
  code: z.string(),
  message: z.string(),
  hint: z.string().exactOptional(),
});
export type OperationError = z.infer<typeof OperationError>;
