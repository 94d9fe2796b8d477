/** The questions of `bhatti setup`. */
import { isCancel, password, text } from "@clack/prompts";
import type { ClientSettings } from "../settings.ts";

/** Undefined when the person changed their mind. */
export async function ask(current: ClientSettings): Promise<ClientSettings | undefined> {
  const url = await text({
    message: "Daemon URL",
    placeholder: current.url,
    defaultValue: current.url,
  });
  if (isCancel(url)) return undefined;
  const token = await password({
    message: current.token ? `API key (Enter to keep ${masked(current.token)})` : "API key",
    validate: (value) => (value || current.token ? undefined : "Enter an API key"),
  });
  if (isCancel(token)) return undefined;
  return { url, token: token || current.token };
}

export function masked(key: string): string {
  return key.length > 12 ? `${key.slice(0, 6)}…${key.slice(-4)}` : "…";
}
