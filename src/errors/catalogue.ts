/**
 * Every error code that a user can meet: its HTTP status, and the hint that follows it on the screen. There `<sandbox>` and
 * the like become what the command line has named (`cli/names.ts`); `<one>` is for the user to choose.
 */
export const catalogue = {
  // what the request says
  bad_request: { status: 400, hint: undefined },
  unauthorized: { status: 401, hint: "Check the API key: bhatti setup" },
  not_found: { status: 404, hint: undefined },
  method_not_allowed: { status: 405, hint: undefined },
  body_too_large: { status: 413, hint: undefined },
  rate_limited: { status: 429, hint: "Wait a moment and try again" },

  // sandboxes
  sandbox_not_found: { status: 404, hint: "Check sandbox name: bhatti ls" },
  sandbox_not_running: { status: 409, hint: "See what state it is in: bhatti inspect <sandbox>" },
  sandbox_limit: { status: 429, hint: "Free capacity: bhatti ls, then bhatti destroy <one>" },
  quota_exceeded: { status: 400, hint: "Ask the operator for a higher limit, or ask for less" },
  image_not_found: {
    status: 404,
    hint: "Build it: bhatti image build <recipe>, or see those there are: bhatti image list",
  },

  // templates
  template_not_found: { status: 404, hint: "Check template name: GET /templates has yours" },
  template_exists: { status: 409, hint: "Pick another name, or: DELETE /templates/<name>" },

  // what is kept of a sandbox
  snapshot_not_found: { status: 404, hint: "Check snapshot name: bhatti snapshot list" },
  snapshot_exists: {
    status: 409,
    hint: "Pick another name, or: bhatti snapshot delete <name>",
  },
  snapshot_in_use: { status: 409, hint: "Try again when that sandbox is there: bhatti ls" },
  snapshot_limit: { status: 429, hint: "Free capacity: bhatti snapshot delete <one>" },
  snapshot_damaged: {
    status: 500,
    hint: "Boot from the disk alone, what was in memory is lost: bhatti start --force <sandbox>",
  },
  snapshot_incompatible: {
    status: 409,
    hint: "Boot from the disk alone, what was in memory is lost: bhatti start --force <sandbox>",
  },
  too_many_layers: {
    status: 409,
    hint: "Delete snapshots of it that are not needed; then stop and start it once: its own layers are merged",
  },
  no_saved_state: { status: 409, hint: "Start it first: bhatti start <sandbox>" },
  name_taken: { status: 409, hint: "Pick another name, or see those there are: bhatti ls" },

  // what runs in a sandbox
  session_not_found: { status: 404, hint: "See those there are: bhatti ps --all <sandbox>" },
  session_limit: {
    status: 429,
    hint: "End one: bhatti ps <sandbox>, then bhatti kill <sandbox> <session>",
  },
  session_attached: { status: 409, hint: "Take it over: bhatti attach <sandbox> <session>" },
  session_taken: { status: 409, hint: "Take it back: bhatti attach <sandbox> <session>" },
  session_ended: { status: 409, hint: "Read what it said: bhatti logs <sandbox> <session>" },

  // its files
  path_not_found: { status: 404, hint: "See what is there: bhatti file ls <sandbox> <directory>" },
  is_directory: { status: 400, hint: "Directories are for: bhatti file ls, push and pull" },
  not_directory: { status: 400, hint: "See what it is: bhatti file stat <sandbox> <path>" },
  path_exists: { status: 409, hint: undefined },
  directory_not_empty: {
    status: 409,
    hint: "Remove all that is in it: -r (recursive=true in the API)",
  },
  permission_denied: {
    status: 403,
    hint: "With root's rights: --as-root (as_root=true in the API)",
  },
  unsafe_path: {
    status: 403,
    hint: "Name the place itself instead of a link to it, or do it without --as-root",
  },
  file_too_large: { status: 413, hint: "Use: bhatti file push <sandbox> <local> <path>" },

  // users
  user_not_found: { status: 404, hint: "Check user name: bhatti user list" },
  user_exists: { status: 409, hint: "Pick another name, or: bhatti user rotate-key <name>" },
  user_in_use: { status: 409, hint: "Remove the user's sandboxes and snapshots first" },

  // the machine underneath
  guest_unresponsive: {
    status: 504,
    hint: "Try again; the daemon's log has the console's last lines",
  },
  guest_busy: {
    status: 503,
    hint: "Wait until commands or transfers in the sandbox have ended, and try again",
  },
  guest_failed: { status: 502, hint: undefined },
  machine_failed: { status: 500, hint: "Look at the daemon's log for the machine's last words" },
  machine_lost: { status: 502, hint: "See what state it is in: bhatti inspect <sandbox>" },
  disk_full: { status: 507, hint: "Free space in the data directory, or destroy sandboxes" },
  host_unfit: { status: 500, hint: "Prepare this machine: make quickstart" },
  timeout: { status: 504, hint: undefined },
  cancelled: { status: 499, hint: undefined },
  shutting_down: { status: 503, hint: "Try again when the daemon is back" },

  // the command line's own
  daemon_unreachable: { status: 502, hint: "Is it running? Start it: bhatti serve" },
  not_bhatti: { status: 502, hint: "Check the address: bhatti setup, --url or BHATTI_URL" },
  connection_lost: {
    status: 502,
    hint: "Whether the command goes on is unknown: bhatti inspect <sandbox>",
  },
  bad_config: { status: 400, hint: undefined },
  bad_usage: { status: 400, hint: undefined },
  local_io: { status: 500, hint: undefined },
  confirmation_needed: { status: 400, hint: "Pass -y to confirm" },
  database_too_new: { status: 500, hint: "Use the bhatti that wrote it, or a newer one" },
  internal: { status: 500, hint: undefined },
} as const satisfies Record<string, { status: number; hint: string | undefined }>;

export type ErrorCode = keyof typeof catalogue;

export function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(catalogue, code);
}
