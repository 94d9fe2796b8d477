/** `bhatti stop`: all of a sandbox on the disk, its processes and their memory too. */
import { command } from "../command.ts";

export const stop = command({
  description:
    "Saves processes and memory; both resume on bhatti start, or when the sandbox is used. Succeeds if it is already stopped.",
  arguments: ["sandbox"],
  flags: {},
  examples: ["bhatti stop dev"],
  async run(context, { sandbox: ref }) {
    const client = await context.client();
    const { result } = await client.call("sandbox.stop", { params: { ref } });
    await context.result(result, () => `sandbox/${result.name ?? ref} stopped\n`);
  },
});
