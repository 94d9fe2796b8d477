/**
 * The packet filter as text for `nft -f`. Its rules do not depend on the networks and sandboxes there are, only the
 * elements of its sets do.
 */

/** One machine on a network. */
export interface Guest {
  /** Interface on the host. */
  tap: string;
  mac: string;
  address: string;
}

/** One user's network. */
export interface Network {
  /** Interface on the host. */
  bridge: string;
  subnet: string;
  gateway: string;
}

/**
 * Ranges that are not on the Internet (RFC 6890): private, shared, loopback, link-local with the metadata service of
 * clouds, documentation, benchmarks, multicast, reserved.
 */
export const notPublic = [
  ...["0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"],
  ...["192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15"],
  ...["198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"],
];

export interface Names {
  /** Of the table, in both families. */
  table: string;
  /** Every tap's interface name begins with it. */
  tapPrefix: string;
}

/** Replaces both tables in one transaction. */
export function ruleset(names: Names, networks: Network[], guests: Guest[]): string {
  return [
    noRuleset(names),
    routing(names),
    switching(names),
    ...networks.flatMap((network) => networkElements(names, network)),
    ...guests.map((guest) => guestElement(names, guest)),
    "",
  ].join("\n");
}

/** Removes both tables, whether they exist or not. */
export function noRuleset({ table }: Names): string {
  return ["inet", "bridge"]
    .flatMap((family) => [`table ${family} ${table} {}`, `delete table ${family} ${table}`])
    .join("\n");
}

/** Commands for one network more. */
export function addNetwork(names: Names, network: Network): string {
  return networkElements(names, network).join("\n");
}

/** Commands for one machine more. */
export function addGuest(names: Names, guest: Guest): string {
  return guestElement(names, guest);
}

function networkElements({ table }: Names, { bridge, subnet, gateway }: Network): string[] {
  const set = (name: string, element: string) => `add element inet ${table} ${name} { ${element} }`;
  return [
    set("bridges", `"${bridge}"`),
    set("subnets", subnet),
    set("local", `"${bridge}" . ${subnet}`),
    set("gateways", `"${bridge}" . ${gateway}`),
  ];
}

function guestElement({ table }: Names, { tap, mac, address }: Guest): string {
  return `add element bridge ${table} guests { "${tap}" . ${mac} . ${address} }`;
}

/** Between networks, to the host, and to the Internet. */
function routing({ table }: Names): string {
  return `table inet ${table} {
  set bridges { type ifname; }
  set subnets { type ipv4_addr; flags interval; }
  set local { type ifname . ipv4_addr; flags interval; }
  set gateways { type ifname . ipv4_addr; }
  set not_public { type ipv4_addr; flags interval; elements = { ${notPublic.join(", ")} } }

  chain forward {
    type filter hook forward priority filter - 10; policy accept;
    iifname @bridges goto from_guest
    oifname @bridges goto to_guest
  }
  chain from_guest {
    meta nfproto ipv6 drop
    # Bridged packets come here too where br_netfilter is on.
    iifname . ip daddr @local accept
    ip daddr @not_public reject with icmp type admin-prohibited
    accept
  }
  chain to_guest {
    ct state established,related accept
    drop
  }
  chain input {
    type filter hook input priority filter - 10; policy accept;
    iifname @bridges goto to_host
  }
  chain to_host {
    ct state established,related accept
    iifname . ip daddr @gateways meta l4proto { tcp, udp } th dport 53 accept
    iifname . ip daddr @gateways icmp type echo-request accept
    drop
  }
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr @subnets oifname != @bridges masquerade
  }
}`;
}

/** On each tap: only IPv4 and ARP, from the machine's own addresses. */
function switching({ table, tapPrefix }: Names): string {
  return `table bridge ${table} {
  set guests { typeof iifname . ether saddr . ip saddr; }

  chain prerouting {
    type filter hook prerouting priority dstnat; policy accept;
    iifname "${tapPrefix}*" goto from_guest
  }
  chain from_guest {
    ether type ip iifname . ether saddr . ip saddr @guests accept
    ether type arp iifname . ether saddr . arp saddr ip != @guests drop
    ether type arp iifname . arp saddr ether . arp saddr ip @guests accept
    drop
  }
}`;
}
