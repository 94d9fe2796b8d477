/** The daemon's log: one JSON object per line. Callers never pass environment values, keys or secrets. */

export const logLevels = ["debug", "info", "warn", "error"] as const;
export type LogLevel = (typeof logLevels)[number];
export type LogFields = Record<string, unknown>;

export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** The same log with fields that every line of it carries. */
  child(fields: LogFields): Logger;
}

export interface LogOptions {
  level: LogLevel;
  write(line: string): void;
  now?(): Date;
}

export function createLogger(options: LogOptions, inherited: LogFields = {}): Logger {
  const threshold = logLevels.indexOf(options.level);
  const now = options.now ?? (() => new Date());
  const at = (level: LogLevel) => {
    if (logLevels.indexOf(level) < threshold) return () => {};
    return (message: string, fields?: LogFields) => {
      const line = { ts: now().toISOString(), level, msg: message, ...inherited, ...fields };
      options.write(`${JSON.stringify(line, plainError)}\n`);
    };
  };
  return {
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
    child: (fields) => createLogger(options, { ...inherited, ...fields }),
  };
}

/** Errors have no enumerable fields: without this they would be logged as `{}`. */
function plainError(_key: string, value: unknown): unknown {
  if (!(value instanceof Error)) return value;
  const code = "code" in value ? value.code : undefined;
  return { message: value.message, code, stack: value.stack, cause: value.cause };
}

export const silentLogger: Logger = createLogger({ level: "error", write: () => {} });
