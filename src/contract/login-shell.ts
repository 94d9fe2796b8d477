/** The command of a login shell: bash or, where there is none, sh. */
export const loginShell = ["sh", "-c", "command -v bash >/dev/null && exec bash -l || exec sh -l"];
