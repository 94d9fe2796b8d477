/** `bhatti destroy`: after a question, unless -y answered it. */
import { confirmed } from "../arguments/flags.ts";
import { command } from "../command.ts";
import { forEach, named } from "../for-each.ts";
import { confirm } from "../terminal/confirm.ts";

export const destroy = command({
  description: "Deletes the sandbox with its disk, memory and processes. Its snapshots are kept.",
  arguments: [],
  rest: "sandbox",
  flags: { yes: confirmed },
  examples: ["bhatti destroy dev", "bhatti rm dev dev2 -y"],
  async run(context, { sandbox: names, yes }) {
    const question = `Destroy ${named("sandbox", "sandboxes", names)}?`;
    if (!yes && !(await confirm(context, question))) return undefined;
    const client = await context.client();
    return await forEach(context, { word: "sandbox", names }, async (ref) => {
      const { result } = await client.call("sandbox.destroy", { params: { ref } });
      return { value: result, text: `sandbox/${ref} destroyed\n` };
    });
  },
});
