/** Commands and flags of docker, kubectl and other tools, and what bhatti has instead. */
import { plannedVersions } from "../contract/planned.ts";

const copyFiles =
  "Use: bhatti file push <sandbox> <local> <path>, or bhatti file pull <sandbox> <path> <local>";
const show = "Use: bhatti list, or bhatti inspect <sandbox>";
const fork = "Use: bhatti create --from <sandbox> --name <name>";
const suspend = "Use: bhatti stop <sandbox>, which suspends it to disk with its processes";
const destroy = "Use: bhatti destroy <sandbox>";
const shell = "Use: bhatti shell <sandbox>";
const snapshot = "Use: bhatti snapshot create <sandbox> --name <name>";
const configure = "Use: bhatti setup";

/** By the words of the command line, without `bhatti`. */
export const commands: Record<string, string> = {
  new: "Use: bhatti create --name <name>",
  run: "Use: bhatti create --name <name>, then bhatti exec <name> -- <command>",
  delete: destroy,
  remove: destroy,
  prune: "Use: bhatti list, then bhatti destroy <sandbox...>",
  describe: show,
  get: show,
  show,
  status: show,
  stats: show,
  top: show,
  fork,
  clone: fork,
  pause: suspend,
  suspend,
  resume: "Use: bhatti start <sandbox>",
  unpause: "Use: bhatti start <sandbox>",
  restart: "Use: bhatti stop <sandbox>, then bhatti start <sandbox>",
  rename: "Use: bhatti edit <sandbox> --name <name>",
  ssh: shell,
  console: shell,
  commit: snapshot,
  save: snapshot,
  restore: "Use: bhatti snapshot restore <snapshot> <sandbox>",
  snapshots: "Use: bhatti snapshot list",
  images: "Use: bhatti image list",
  build: "Use: bhatti image build <recipe>",
  sessions: "Use: bhatti ps <sandbox>",
  cp: copyFiles,
  push: copyFiles,
  pull: copyFiles,
  watch: "Use: bhatti file watch <sandbox> <path>",
  "port-forward": `bhatti forward is planned for version ${plannedVersions.networking}`,
  events: `bhatti admin, which shows events, is planned for version ${plannedVersions["operator tools"]}`,
  login: configure,
  config: configure,
  "file cat": "Use: bhatti file read <sandbox> <path>",
  "file get": "Use: bhatti file pull <sandbox> <path> <local>",
  "file put": "Use: bhatti file push <sandbox> <local> <path>",
  "snapshot destroy": "Use: bhatti snapshot delete <snapshot>",
  "user add": "Use: bhatti user create --name <name>",
};

const fixed = "It cannot be changed; create another sandbox: bhatti create --help";
const noForce = "To skip the confirmation, use -y";

/** By the words of the command and the flag. */
export const flags: Record<string, string> = {
  "destroy -f": noForce,
  "destroy --force": noForce,
  "snapshot delete -f": noForce,
  "snapshot delete --force": noForce,
  "user delete -f": noForce,
  "user delete --force": noForce,
  "inspect -o": "For JSON, use --json",
  "inspect --output": "For JSON, use --json",
  "list -a": "bhatti list shows all sandboxes, also stopped ones",
  "list --all": "bhatti list shows all sandboxes, also stopped ones",
  "list -q": "For scripts, use --json",
  "list --quiet": "For scripts, use --json",
  "edit --cpus": fixed,
  "edit --memory": fixed,
  "edit --disk-size": fixed,
  "edit --image": fixed,
  "edit --env": fixed,
  "create --rm": "To destroy the sandbox after a time, use --ttl",
};

export function insteadOfCommand(path: readonly string[]): string | undefined {
  return found(commands, path);
}

/** `flag` without its value, such as `-f` or `--force`. */
export function insteadOfFlag(path: readonly string[], flag: string): string | undefined {
  return found(flags, [...path, flag]);
}

function found(table: Record<string, string>, words: readonly string[]): string | undefined {
  const key = words.join(" ");
  return Object.hasOwn(table, key) ? table[key] : undefined;
}
