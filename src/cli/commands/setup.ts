/** `bhatti setup`: which daemon to talk to, with which key; tried with a request that needs the key. */
import { Client } from "../../client/client.ts";
import { loadClientConfig, userConfigPath } from "../../config/load.ts";
import { brokenUrl } from "../../config/rules.ts";
import { BhattiError } from "../../errors/bhatti-error.ts";
import { command } from "../command.ts";
import type { Context } from "../context.ts";
import { failureFor } from "../failure.ts";
import {
  type ClientSettings,
  configSources,
  defaultUrl,
  homeDirectory,
  invokingUser,
  readText,
} from "../settings.ts";

const patienceMs = 15_000;

export const setup = command({
  description:
    "Prompts for the URL and the API key, or takes them from --url and --token. Tests the connection, and saves both " +
    "to ~/.bhatti/config.yaml, or to the file that BHATTI_CONFIG names.",
  arguments: [],
  flags: {},
  examples: ["bhatti setup", "bhatti setup --url https://bhatti.example.com --token bht_..."],
  async run(context) {
    const { url, token } = context.flags;
    if (url && token) return await setUp(context, { url: normalUrl(url), token });
    if ((await context.system.stdin.kind()) !== "terminal") {
      throw new BhattiError(
        "bad_usage",
        "setup requires --url and --token if stdin is not a terminal",
      );
    }
    const { ask } = await import("../setup/ask.ts");
    const current = await currentSettings(context);
    const answers = await ask({ url: url ?? current.url, token: token ?? current.token });
    if (!answers) return 1;
    return await setUpAnswers(context, { ...answers, url: normalUrl(answers.url) });
  },
});

/** Nothing is kept of what does not work. */
async function setUp(context: Context, settings: ClientSettings): Promise<undefined> {
  const count = await verify(context, settings);
  const path = await save(context, settings);
  const value = { status: "saved", config: path, api_url: settings.url, sandboxes: count };
  await context.result(value, () => `Connected to ${settings.url}\nSaved in ${path}\n`);
  await warnOfStrongerFile(context, settings);
}

/** Somebody typed this in: it is kept, and they are told when it does not work yet. */
async function setUpAnswers(context: Context, settings: ClientSettings): Promise<undefined> {
  const path = await save(context, settings);
  await context.remark(`Saved in ${path}`);
  try {
    await verify(context, settings);
    await context.remark(`✓ Connected to ${settings.url}`);
  } catch (error) {
    await context.remark(`✗ ${failureFor(error, false, context.names).text.trimEnd()}`);
  }
  await warnOfStrongerFile(context, settings);
}

/** Returns the path of the file. Under sudo it is the invoking user's, and belongs to them. */
async function save({ system }: Context, settings: ClientSettings): Promise<string> {
  const { env, userId } = system;
  const named = env["BHATTI_CONFIG"];
  const path = named || userConfigPath(await homeDirectory(env, userId, readText));
  const owner = named ? undefined : await invokingUser(env, userId, readText);
  const { saveClientConfig } = await import("../setup/save.ts");
  await saveClientConfig({ path, ownDirectory: !named, owner }, settings);
  return path;
}

/** By a request that needs the key: an open one would call any key good. */
async function verify({ system }: Context, settings: ClientSettings): Promise<number> {
  const { fetch, connectWebSocket } = system;
  const client = new Client({ ...settings, fetch, connectWebSocket });
  const { result } = await client.call("sandbox.list", { query: {} }, patienceMs);
  return result.length;
}

async function currentSettings(context: Context): Promise<ClientSettings> {
  const config = await loadClientConfig(await configSources(context.system, () => {})).catch(
    () => undefined, // setup may be run to repair a broken file
  );
  return { url: config?.apiUrl?.value ?? defaultUrl, token: config?.authToken?.value ?? "" };
}

/** An address without a scheme is one that a daemon listens on. */
function normalUrl(written: string): string {
  const url = /^https?:\/\//.test(written)
    ? written
    : `http://${written.replace(/^:/, "localhost:")}`;
  const problem = brokenUrl(url);
  if (problem) throw new BhattiError("bad_usage", `--url ${problem}`);
  return url.replace(/\/+$/, "");
}

async function warnOfStrongerFile(context: Context, settings: ClientSettings): Promise<void> {
  const { apiUrl, authToken } = await loadClientConfig(
    await configSources(context.system, () => {}),
  );
  for (const [setting, wanted] of [
    [apiUrl, settings.url],
    [authToken, settings.token],
  ] as const) {
    if (!setting || setting.value.replace(/\/+$/, "") === wanted) continue;
    await context.remark(`Warning: ${setting.path} overrides these settings`);
    return;
  }
}
