/** Every key of a configuration file: its type, its bounds and its default. */

/** What `bhatti serve` runs with. */
export interface ServerConfig {
  listen: string;
  dataDir: string;
  engine: "qemu" | "fake";
  accelerator: "auto" | "kvm" | "tcg";
  /** The guest kernel; the one below the data directory when absent. */
  kernel?: string;
  defaultImage: string;
  /** Sandboxes kept ready, so that a create need not wait for a restore. */
  poolSize: number;
  /** Where the guests' memory files are; in the data directory when absent. */
  ramDir?: string;
  /** What happens to running machines when the daemon ends. */
  onShutdown: "keep" | "stop";
  /** Idle times until a sandbox is paused, and until it is suspended to disk. 0: never. */
  thermal: { warmAfterSeconds: number; coldAfterSeconds: number };
  network: {
    /** `auto`: private networks where the host can have them. */
    mode: "auto" | "none";
    /** The range that all private networks are taken from; chosen by the daemon when absent. */
    supernet?: string;
  };
  limits: Limits;
}

export interface Limits {
  createPerMinute: number;
  createBurst: number;
  execPerMinute: number;
  execBurst: number;
  readPerMinute: number;
  readBurst: number;
  jsonBodyBytes: number;
  /** Maximum bytes of unread answers, per user and in total. */
  userAnswerBytes: number;
  answerBytes: number;
  /** A client that reads nothing of its answer, or does not continue its transfer, for this time is disconnected. */
  stalledSeconds: number;
}

export const defaultDataDir = "/var/lib/bhatti";

export const defaultServerConfig: ServerConfig = {
  listen: "127.0.0.1:8080",
  dataDir: defaultDataDir,
  engine: "qemu",
  accelerator: "auto",
  defaultImage: "minimal",
  poolSize: 1,
  onShutdown: "keep",
  thermal: { warmAfterSeconds: 30, coldAfterSeconds: 1800 },
  network: { mode: "auto" },
  limits: {
    createPerMinute: 30,
    createBurst: 10,
    execPerMinute: 6000,
    execBurst: 300,
    readPerMinute: 6000,
    readBurst: 300,
    jsonBodyBytes: 1_048_576,
    userAnswerBytes: 33_554_432,
    answerBytes: 134_217_728,
    stalledSeconds: 60,
  },
};

export type Rule =
  | { kind: "text" | "url" | "path" | "address" | "duration" | "range" }
  | { kind: "choice"; of: readonly string[] }
  | { kind: "whole"; min: number; max: number };

const perMinute: Rule = { kind: "whole", min: 1, max: 10_000_000 };
const answerBytes: Rule = { kind: "whole", min: 1_048_576, max: 1_099_511_627_776 };
const burst: Rule = { kind: "whole", min: 1, max: 1_000_000 };

/** The keys as they are written, nested ones with a dot. */
export const keys = {
  api_url: { kind: "url" },
  auth_token: { kind: "text" },
  listen: { kind: "address" },
  data_dir: { kind: "path" },
  engine: { kind: "choice", of: ["qemu", "fake"] },
  accelerator: { kind: "choice", of: ["auto", "kvm", "tcg"] },
  kernel: { kind: "path" },
  default_image: { kind: "text" },
  pool_size: { kind: "whole", min: 0, max: 64 },
  ram_dir: { kind: "path" },
  on_shutdown: { kind: "choice", of: ["keep", "stop"] },
  "thermal.warm_after": { kind: "duration" },
  "thermal.cold_after": { kind: "duration" },
  "network.mode": { kind: "choice", of: ["auto", "none"] },
  "network.supernet": { kind: "range" },
  "limits.create_per_minute": perMinute,
  "limits.create_burst": burst,
  "limits.exec_per_minute": perMinute,
  "limits.exec_burst": burst,
  "limits.read_per_minute": perMinute,
  "limits.read_burst": burst,
  "limits.json_body_bytes": { kind: "whole", min: 1024, max: 1_073_741_824 },
  "limits.user_answer_bytes": answerBytes,
  "limits.answer_bytes": answerBytes,
  // The runtime counts in steps of 4 s, up to 255, and may be one step early.
  "limits.stalled_seconds": { kind: "whole", min: 8, max: 240 },
} as const satisfies Record<string, Rule>;

export type ConfigKey = keyof typeof keys;
