/** `bhatti destroy`: after a question, unless -y answered it. */
import { confirmed } from "../arguments/flags.ts";
import { command } from "../command.ts";
import { confirm } from "../terminal/confirm.ts";

export const destroy = command({
  description: "Deletes the sandbox with its disk, memory and processes. Its snapshots are kept.",
  arguments: ["sandbox"],
  flags: { yes: confirmed },
  examples: ["bhatti destroy dev", "bhatti rm dev -y"],
  async run(context, { sandbox: ref, yes }) {
    if (!yes && !(await confirm(context, `Destroy sandbox "${ref}"?`))) return;
    const client = await context.client();
    const { result } = await client.call("sandbox.destroy", { params: { ref } });
    await context.result(result, () => `sandbox/${ref} destroyed\n`);
  },
});
