/** The layers of configuration files, and what a client and a server take from them. */
import { BhattiError } from "../errors/bhatti-error.ts";
import { parseDuration } from "./duration.ts";
import { type ConfigFile, type ReadText, readConfigFile } from "./file.ts";
import { type ConfigKey, defaultServerConfig, type Limits, type ServerConfig } from "./schema.ts";

export interface ConfigSources {
  env: Readonly<Record<string, string | undefined>>;
  /** The user's home; under sudo, the invoking user's. */
  home: string;
  read: ReadText;
  onWarning?: (message: string) => void;
}

/** A setting with the file that says it. */
export interface Setting {
  value: string;
  path: string;
}

export interface ClientConfig {
  apiUrl: Setting | undefined;
  authToken: Setting | undefined;
}

export const systemConfigPath = "/etc/bhatti/config.yaml";
export const deprecatedSystemConfigPath = "/var/lib/bhatti/config.yaml";

export function userConfigPath(home: string): string {
  return `${home}/.bhatti/config.yaml`;
}

/** What a client takes from the files: the user's fills in what the system's leaves out. */
export async function loadClientConfig(sources: ConfigSources): Promise<ClientConfig> {
  const layers = await loadLayers({ ...sources, read: skippingForbiddenSystemFile(sources.read) });
  const setting = (key: "api_url" | "auth_token"): Setting | undefined => {
    const file = layers.find((layer) => layer.values[key] !== undefined);
    return file && { value: String(file.values[key]), path: file.path };
  };
  return { apiUrl: setting("api_url"), authToken: setting("auth_token") };
}

/** What the daemon runs with: the first file there is, over the defaults. */
export async function loadServerConfig(sources: ConfigSources): Promise<ServerConfig> {
  const [base] = await loadLayers(sources);
  return serverConfig(base?.values ?? {});
}

/** The files that count, the strongest first. */
async function loadLayers(sources: ConfigSources): Promise<ConfigFile[]> {
  const only = sources.env["BHATTI_CONFIG"];
  if (only) return [await readNamedFile(only, sources.read)];
  const [system, deprecated, user] = await Promise.all(
    [systemConfigPath, deprecatedSystemConfigPath, userConfigPath(sources.home)].map((path) =>
      readConfigFile(path, sources.read),
    ),
  );
  if (!system && deprecated) {
    sources.onWarning?.(
      `${deprecatedSystemConfigPath} is deprecated: move it to ${systemConfigPath}`,
    );
  }
  return [system ?? deprecated, user].filter((file) => file !== undefined);
}

async function readNamedFile(path: string, read: ReadText): Promise<ConfigFile> {
  const file = await readConfigFile(path, read);
  if (!file)
    throw new BhattiError("bad_config", `BHATTI_CONFIG names ${path}, which does not exist`);
  return file;
}

/** The system's file may be readable by its operator alone; a client has no need of it. */
function skippingForbiddenSystemFile(read: ReadText): ReadText {
  return async (path) => {
    try {
      return await read(path);
    } catch (error) {
      const isSystem = path === systemConfigPath || path === deprecatedSystemConfigPath;
      if (isSystem && (error as NodeJS.ErrnoException).code === "EACCES") return undefined;
      throw error;
    }
  };
}

/** The file's values over the defaults. They were checked against the schema when the file was read. */
export function serverConfig(values: ConfigFile["values"]): ServerConfig {
  const defaults = defaultServerConfig;
  const { kernel, ram_dir: ramDir } = values as { kernel?: string; ram_dir?: string };
  const supernet = values["network.supernet"];
  const pick = <T>(key: ConfigKey, fallback: T): T => (values[key] as T | undefined) ?? fallback;
  const seconds = (key: ConfigKey, fallback: number): number =>
    parseDuration(String(values[key])) ?? fallback;
  return {
    listen: pick("listen", defaults.listen),
    dataDir: pick("data_dir", defaults.dataDir),
    engine: pick("engine", defaults.engine),
    accelerator: pick("accelerator", defaults.accelerator),
    ...(kernel !== undefined && { kernel }),
    defaultImage: pick("default_image", defaults.defaultImage),
    poolSize: pick("pool_size", defaults.poolSize),
    ...(ramDir !== undefined && { ramDir }),
    onShutdown: pick("on_shutdown", defaults.onShutdown),
    thermal: {
      warmAfterSeconds: seconds("thermal.warm_after", defaults.thermal.warmAfterSeconds),
      coldAfterSeconds: seconds("thermal.cold_after", defaults.thermal.coldAfterSeconds),
    },
    network: {
      mode: pick("network.mode", defaults.network.mode),
      ...(supernet !== undefined && { supernet: String(supernet) }),
    },
    limits: limits(pick),
  };
}

function limits(pick: <T>(key: ConfigKey, fallback: T) => T): Limits {
  const defaults = defaultServerConfig.limits;
  return {
    createPerMinute: pick("limits.create_per_minute", defaults.createPerMinute),
    createBurst: pick("limits.create_burst", defaults.createBurst),
    execPerMinute: pick("limits.exec_per_minute", defaults.execPerMinute),
    execBurst: pick("limits.exec_burst", defaults.execBurst),
    readPerMinute: pick("limits.read_per_minute", defaults.readPerMinute),
    readBurst: pick("limits.read_burst", defaults.readBurst),
    jsonBodyBytes: pick("limits.json_body_bytes", defaults.jsonBodyBytes),
    userAnswerBytes: pick("limits.user_answer_bytes", defaults.userAnswerBytes),
    answerBytes: pick("limits.answer_bytes", defaults.answerBytes),
    stalledSeconds: pick("limits.stalled_seconds", defaults.stalledSeconds),
  };
}
