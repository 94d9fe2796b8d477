/** `bhatti stop`: all of a sandbox on the disk, its processes and their memory too. */
import { command } from "../command.ts";
import { forEach } from "../for-each.ts";

export const stop = command({
  description:
    "Saves processes and memory; both resume on bhatti start, or when the sandbox is used. Succeeds if it is already stopped.",
  arguments: [],
  rest: "sandbox",
  flags: {},
  examples: ["bhatti stop dev", "bhatti stop dev dev2"],
  async run(context, { sandbox: names }) {
    const client = await context.client();
    return await forEach(context, { word: "sandbox", names }, async (ref) => {
      const { result } = await client.call("sandbox.stop", { params: { ref } });
      return { value: result, text: `sandbox/${result.name ?? ref} stopped\n` };
    });
  },
});
