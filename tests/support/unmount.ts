import { run } from "../../src/host/process.ts";
import { until } from "./until.ts";

/** The kernel lets go of a program's files a moment after its end. */
export async function unmount(path: string): Promise<void> {
  const isUnmounted = () =>
    run(["umount", path]).then(
      () => true,
      () => false,
    );
  await until(`${path} is unmounted`, isUnmounted);
}
