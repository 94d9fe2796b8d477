/** `127.0.0.1:8080`, `:8080` for every address, `[::1]:8080`. */
import { BhattiError } from "../errors/bhatti-error.ts";
import type { ListenAddress } from "../server/server.ts";

export function parseListenAddress(text: string): ListenAddress {
  const [, bracketed, plain, digits] = text.match(/^(?:\[([^\]]+)\]|([^:]*)):(\d{1,5})$/) ?? [];
  const port = Number(digits ?? "-1");
  if (port < 0 || port > 65_535) {
    throw new BhattiError(
      "bad_config",
      `listen: must be an address and a port such as 127.0.0.1:8080 (got "${text}")`,
    );
  }
  return { hostname: bracketed ?? (plain || "0.0.0.0"), port };
}
