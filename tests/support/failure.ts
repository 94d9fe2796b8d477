/** What a promise rejects with, as far as users see it. */
import { type BhattiError, isBhattiError } from "../../src/errors/bhatti-error.ts";

export async function failureOf(
  work: Promise<unknown>,
): Promise<Pick<BhattiError, "code" | "message">> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!isBhattiError(error)) throw new Error(`Expected a BhattiError, got ${error}`);
  return { code: error.code, message: error.message };
}
