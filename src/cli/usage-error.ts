/** A command line that the command's help answers best. */
import { BhattiError } from "../errors/bhatti-error.ts";

export class UsageError extends BhattiError {
  readonly help: string;

  constructor(message: string, help: string, hint?: string) {
    super("bad_usage", message, hint === undefined ? {} : { hint });
    this.help = help;
  }
}
