/** The shell that somebody gets who asks for one: bash as a login shell or, where there is none, sh. */
export const loginShell = ["sh", "-c", "command -v bash >/dev/null && exec bash -l || exec sh -l"];
