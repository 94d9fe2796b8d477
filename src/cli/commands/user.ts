/** `bhatti user …`: who may use the daemon. Works on the data directory, whether the daemon runs or not. */
import type { User, UserWithUsage } from "../../operator/operator.ts";
import { choice, confirmed, requiredText, whole } from "../arguments/flags.ts";
import { command } from "../command.ts";
import { openLocal } from "../data-directory.ts";
import { confirm } from "../terminal/confirm.ts";
import { type Column, table } from "../terminal/table.ts";

const local = "Works on the daemon's data directory, whether or not the daemon runs.";
const limit = { min: 1, max: 1_000_000 };

export const createUser = command({
  description: local,
  arguments: [],
  flags: {
    name: requiredText("User name (required)", { placeholder: "name" }),
    "max-sandboxes": whole("Maximum number of sandboxes (default 5)", limit),
    "max-cpus": whole("Maximum vCPUs per sandbox (default 4)", limit),
    "max-memory": whole("Maximum memory per sandbox in MB (default 4096)", {
      ...limit,
      placeholder: "MB",
    }),
    "max-snapshots": whole("Maximum number of snapshots (default 5)", limit),
    role: choice("Role (default user)", ["user", "admin"]),
  },
  examples: ["sudo bhatti user create --name alice --max-sandboxes 10"],
  async run(context, input) {
    using operator = await openLocal(context, { create: true });
    const { user, key } = operator.users.create({
      name: input.name,
      ...(input.role && { role: input.role }),
      ...(input["max-sandboxes"] !== undefined && { maxSandboxes: input["max-sandboxes"] }),
      ...(input["max-cpus"] !== undefined && { maxCpus: input["max-cpus"] }),
      ...(input["max-memory"] !== undefined && { maxMemoryMB: input["max-memory"] }),
      ...(input["max-snapshots"] !== undefined && { maxSnapshots: input["max-snapshots"] }),
    });
    const { maxSandboxes, maxCpus, maxMemoryMB } = user;
    await context.result({ ...shown(user), api_key: key }, () =>
      [
        `user/${user.name} created`,
        `  ID: ${user.id}`,
        `  Limits: ${maxSandboxes} sandboxes, ${maxCpus} vCPU and ${maxMemoryMB} MB each`,
        `  API key: ${key}  (shown once)\n`,
      ].join("\n"),
    );
  },
});

export const listUsers = command({
  description: local,
  arguments: [],
  flags: {},
  async run(context) {
    using operator = await openLocal(context);
    const users = operator.users.list();
    await context.result(
      users.map((user) => ({ ...shown(user), sandboxes: user.sandboxes })),
      () => (users.length > 0 ? table(columns, users) : ""),
    );
    if (users.length === 0 && !context.flags.json) await context.remark("No users");
  },
});

export const rotateKey = command({
  description: `The old key stops working immediately.\n${local}`,
  arguments: ["name"],
  flags: {},
  examples: ["sudo bhatti user rotate-key alice"],
  async run(context, { name }) {
    using operator = await openLocal(context);
    const { user, key } = operator.users.rotateKey(name);
    await context.result({ ...shown(user), api_key: key }, () =>
      [
        `user/${name} has a new API key; the old key no longer works`,
        `  API key: ${key}  (shown once)\n`,
      ].join("\n"),
    );
  },
});

export const deleteUser = command({
  description: `Fails if the user has sandboxes or snapshots.\n${local}`,
  arguments: ["name"],
  flags: { yes: confirmed },
  examples: ["sudo bhatti user delete alice -y"],
  async run(context, { name, yes }) {
    if (!yes && !(await confirm(context, `Delete user "${name}"?`))) return;
    using operator = await openLocal(context);
    operator.users.delete(name);
    await context.result({ status: "deleted" }, () => `user/${name} deleted\n`);
  },
});

/** As the API writes things. */
function shown(user: User) {
  return {
    id: user.id,
    name: user.name,
    role: user.role,
    max_sandboxes: user.maxSandboxes,
    max_cpus: user.maxCpus,
    max_memory_mb: user.maxMemoryMB,
    max_snapshots: user.maxSnapshots,
    created_at: user.createdAt,
  };
}

const columns: Column<UserWithUsage>[] = [
  ["ID", 13, (user) => user.id],
  ["NAME", 20, (user) => user.name],
  ["SANDBOXES", 10, (user) => `${user.sandboxes}/${user.maxSandboxes}`],
  ["CPUS", 5, (user) => String(user.maxCpus)],
  ["MEM", 8, (user) => `${user.maxMemoryMB}MB`],
  ["ROLE", 0, (user) => user.role],
];
