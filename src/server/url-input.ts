/** Refuses invalid escapes such as `%FF`, which is not UTF-8: the router would take them literally. */
import { BhattiError } from "../errors/bhatti-error.ts";

/** Throws bad_request that names the path or the query parameter. */
export function requirePercentEncoding(url: string): void {
  if (!url.includes("%")) return;
  const [, path = "", query = ""] = /^[^?]*?:\/\/[^/?]*([^?]*)\??(.*)$/s.exec(url) ?? [];
  for (const segment of path.split("/")) requireDecodable(segment, "path");
  for (const parameter of query.split("&")) {
    const [name = "", ...value] = parameter.split("=");
    requireDecodable(name, "query");
    requireDecodable(value.join("="), name);
  }
}

function requireDecodable(text: string, what: string): void {
  try {
    decodeURIComponent(text);
  } catch (error) {
    const message = `${what}: must be percent-encoded UTF-8 (got ${JSON.stringify(text.slice(0, 100))})`;
    throw new BhattiError("bad_request", message, { cause: error });
  }
}
