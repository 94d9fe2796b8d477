/** Reads a JSON body, and stops at the limit whatever the headers promise. */
import { BhattiError } from "../../errors/bhatti-error.ts";
import { decodeText, parseJson } from "../json-input.ts";

/** Undefined for no body at all, where that is allowed. */
export async function readJson(
  request: Request,
  limit: number,
  absent: "allowed" | "refused",
): Promise<unknown> {
  const bytes = await readBytes(request, limit);
  if (bytes.length === 0 && absent === "allowed") return undefined;
  if (bytes.length === 0) throw new BhattiError("bad_request", "body: must be JSON (got nothing)");
  return parseJson(decodeText(bytes, "body"), "body");
}

async function readBytes(request: Request, limit: number): Promise<Uint8Array> {
  const announced = request.headers.get("content-length");
  if (announced !== null) {
    if (Number(announced) > limit) throw tooLarge(limit);
    return request.bytes();
  }
  if (!request.body) return new Uint8Array();
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of request.body) {
    size += chunk.length;
    if (size > limit) throw tooLarge(limit);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function tooLarge(limit: number): BhattiError {
  return new BhattiError("body_too_large", `body: must be at most ${limit} bytes`);
}
