/** A process that has stopped reading, as it waits for the reader of its own output. */
import { readFileSync } from "node:fs";
import { until } from "./until.ts";

export async function untilStalled(pid: number): Promise<void> {
  const bytesRead = () => /^rchar: (\d+)/.exec(readFileSync(`/proc/${pid}/io`, "utf8"))?.[1];
  let before: string | undefined;
  await until(`process ${pid} stops reading`, async () => {
    const last = before;
    before = bytesRead();
    await Bun.sleep(100);
    return before === last;
  });
}
