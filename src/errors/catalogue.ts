/**
 * Every error code that a user can meet: its HTTP status, and the hint that follows it on the screen. The command line
 * fills in placeholders such as `<sandbox>` from its arguments (`cli/names.ts`); it leaves `<one>` to the user.
 */
export const catalogue = {
  // what the request says
  bad_request: { status: 400, hint: undefined },
  unauthorized: { status: 401, hint: "Check the API key: bhatti setup" },
  not_found: { status: 404, hint: undefined },
  method_not_allowed: { status: 405, hint: undefined },
  body_too_large: { status: 413, hint: undefined },
  upgrade_required: { status: 426, hint: undefined },
  unread_limit: {
    status: 429,
    hint: "Read pending responses, or stream output: Accept: application/x-ndjson",
  },
  overloaded: {
    status: 503,
    hint: "Try again in a moment, or stream output: Accept: application/x-ndjson",
  },
  rate_limited: { status: 429, hint: "Try again in a few seconds" },

  // sandboxes
  sandbox_not_found: { status: 404, hint: "Check sandbox name: bhatti ls" },
  sandbox_not_running: { status: 409, hint: "Check its state: bhatti inspect <sandbox>" },
  sandbox_limit: {
    status: 429,
    hint: "Destroy another sandbox: bhatti ls, then bhatti destroy <one>",
  },
  quota_exceeded: { status: 400, hint: "Request less, or ask the operator to raise the limit" },
  network_full: {
    status: 507,
    hint: "Destroy a sandbox, or ask the operator for a larger network.supernet",
  },
  image_not_found: {
    status: 404,
    hint: "List images: bhatti image list, or build it: bhatti image build <recipe>",
  },

  // templates
  template_not_found: { status: 404, hint: "Check template name: GET /templates" },
  template_limit: { status: 429, hint: "Delete one: DELETE /templates/<name>" },
  template_exists: {
    status: 409,
    hint: "Choose another name, or delete it: DELETE /templates/<name>",
  },

  // what is kept of a sandbox
  snapshot_not_found: { status: 404, hint: "Check snapshot name: bhatti snapshot list" },
  snapshot_exists: {
    status: 409,
    hint: "Choose another name, or delete it: bhatti snapshot delete <name>",
  },
  snapshot_in_use: { status: 409, hint: "Try again when that sandbox has been created: bhatti ls" },
  snapshot_limit: {
    status: 429,
    hint: "Delete another snapshot: bhatti snapshot list, then bhatti snapshot delete <one>",
  },
  snapshot_damaged: {
    status: 500,
    hint: "Boot from disk, which discards its memory: bhatti start --force <sandbox>",
  },
  snapshot_incompatible: {
    status: 409,
    hint: "Boot from disk, which discards its memory: bhatti start --force <sandbox>",
  },
  too_many_layers: {
    status: 409,
    hint: "Delete snapshots of it, then merge its layers: bhatti stop <sandbox>, then bhatti start <sandbox>",
  },
  no_saved_state: { status: 409, hint: "Start it first: bhatti start <sandbox>" },
  name_taken: { status: 409, hint: "Choose another name, or list sandboxes: bhatti ls" },

  // operations
  operation_not_found: { status: 404, hint: "List operations: bhatti operation list" },
  operation_limit: {
    status: 429,
    hint: "Wait for one to end: bhatti operation list --state running",
  },
  operation_ended: { status: 409, hint: "Show its result: bhatti operation inspect <operation>" },
  operation_elsewhere: { status: 409, hint: "Interrupt that process on the daemon's machine" },
  interrupted: { status: 503, hint: "Try again" },

  // what runs in a sandbox
  session_not_found: { status: 404, hint: "List sessions: bhatti ps --all <sandbox>" },
  session_limit: {
    status: 429,
    hint: "Kill a session: bhatti ps <sandbox>, then bhatti kill <sandbox> <session>",
  },
  session_attached: { status: 409, hint: "Take it over: bhatti attach <sandbox> <session>" },
  session_taken: { status: 409, hint: "Reattach: bhatti attach <sandbox> <session>" },
  session_ended: { status: 409, hint: "Print its output: bhatti logs <sandbox> <session>" },

  // its files
  path_not_found: { status: 404, hint: "List the directory: bhatti file ls <sandbox> <directory>" },
  is_directory: { status: 400, hint: "For directories, use: bhatti file ls, push or pull" },
  not_directory: { status: 400, hint: "Check its type: bhatti file stat <sandbox> <path>" },
  path_exists: { status: 409, hint: undefined },
  directory_not_empty: {
    status: 409,
    hint: "Remove it with its contents: -r (recursive=true in the API)",
  },
  permission_denied: {
    status: 403,
    hint: "Act as root: --as-root (as_root=true in the API)",
  },
  unsafe_path: {
    status: 403,
    hint: "Use a path without symbolic links, or omit --as-root",
  },
  file_changed: { status: 409, hint: "Try again while no process truncates it" },
  file_too_large: {
    status: 413,
    hint: "For large files, use: bhatti file push <sandbox> <local> <path>",
  },

  // users
  user_not_found: { status: 404, hint: "Check user name: bhatti user list" },
  user_exists: {
    status: 409,
    hint: "Choose another name, or rotate its key: bhatti user rotate-key <name>",
  },
  user_in_use: { status: 409, hint: "Destroy the user's sandboxes and snapshots first" },

  // the machine underneath
  guest_unresponsive: {
    status: 504,
    hint: "Try again, or boot from disk, which discards its memory: bhatti start --force <sandbox>",
  },
  guest_busy: {
    status: 503,
    hint: "Try again when commands or transfers in the sandbox have ended",
  },
  guest_failed: { status: 502, hint: undefined },
  machine_failed: { status: 500, hint: "Check the daemon log for the last lines of its console" },
  machine_lost: { status: 502, hint: "Check its state: bhatti inspect <sandbox>" },
  disk_full: {
    status: 507,
    hint: "Free space in the data directory, or destroy a sandbox: bhatti destroy <one>",
  },
  host_unfit: { status: 500, hint: "Set up this host: make quickstart" },
  timeout: { status: 504, hint: undefined },
  cancelled: { status: 499, hint: undefined },
  shutting_down: { status: 503, hint: "Try again when the daemon has restarted" },

  // the command line's own
  daemon_unreachable: { status: 502, hint: "Start the daemon: bhatti serve" },
  not_bhatti: { status: 502, hint: "Check the daemon URL: bhatti setup, --url or BHATTI_URL" },
  connection_lost: {
    status: 502,
    hint: "The command may still be running: bhatti inspect <sandbox>",
  },
  bad_config: { status: 400, hint: undefined },
  bad_usage: { status: 400, hint: undefined },
  local_io: { status: 500, hint: undefined },
  confirmation_needed: { status: 400, hint: "Pass -y to confirm" },
  database_too_new: {
    status: 500,
    hint: "Use a newer version of bhatti",
  },
  internal: { status: 500, hint: undefined },
} as const satisfies Record<string, { status: number; hint: string | undefined }>;

export type ErrorCode = keyof typeof catalogue;

export function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(catalogue, code);
}
