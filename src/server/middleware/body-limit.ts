/** Reads a JSON body, and stops at the limit whatever the headers promise. */
import { BhattiError } from "../../errors/bhatti-error.ts";

/** Undefined for no body at all, where that is allowed. */
export async function readJson(
  request: Request,
  limit: number,
  absent: "allowed" | "refused",
): Promise<unknown> {
  const text = await readText(request, limit);
  if (text === "" && absent === "allowed") return undefined;
  if (text === "") throw new BhattiError("bad_request", "body: must be JSON (got nothing)");
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new BhattiError("bad_request", "body: must be JSON", { cause: error });
  }
}

async function readText(request: Request, limit: number): Promise<string> {
  const announced = request.headers.get("content-length");
  if (announced !== null) {
    if (Number(announced) > limit) throw tooLarge(limit);
    return request.text();
  }
  if (!request.body) return "";
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of request.body) {
    size += chunk.length;
    if (size > limit) throw tooLarge(limit);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function tooLarge(limit: number): BhattiError {
  return new BhattiError("body_too_large", `body: must be at most ${limit} bytes`);
}
