/** What takes the output of a command. */
import type { ExecOutput } from "../../client/exec-stream.ts";

export interface ExecSink {
  take(event: ExecOutput): Promise<void>;
}
