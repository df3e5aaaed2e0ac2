// Writes small MaxMind DB files, so that tests can mount a city database. Format: the public MaxMind DB specification, version 2.0; records of
// 24 bits, IPv6 tree with IPv4 below ::/96.

export type MmdbValue = string | number | MmdbValue[] | { [name: string]: MmdbValue };

const TYPE = { utf8: 2, uint32: 6, map: 7, array: 11 } as const;
const METADATA = Buffer.from('\xab\xcd\xefMaxMind.com', 'latin1');
const SEPARATOR_BYTES = 16;

/** Control byte (with the type beyond it where it does not fit) and size. Sizes to 284 are enough here. */
function head(type: number, size: number): Buffer {
  const extended = type > 7;
  const small = size < 29;
  const first = ((extended ? 0 : type) << 5) | (small ? size : 29);
  return Buffer.from([first, ...(extended ? [type - 7] : []), ...(small ? [] : [size - 29])]);
}

function encode(value: MmdbValue): Buffer {
  if (typeof value === 'string') return Buffer.concat([head(TYPE.utf8, Buffer.byteLength(value)), Buffer.from(value)]);
  if (typeof value === 'number') {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(value);
    return Buffer.concat([head(TYPE.uint32, 4), bytes]);
  }
  if (Array.isArray(value)) return Buffer.concat([head(TYPE.array, value.length), ...value.map(encode)]);
  const entries = Object.entries(value);
  return Buffer.concat([head(TYPE.map, entries.length), ...entries.flatMap(([name, inner]) => [encode(name), encode(inner)])]);
}

type Node = [Node | number | undefined, Node | number | undefined];

/** The file for these IPv4 networks (`a.b.c.d/n`), each with its record. */
export function mmdbOf(networks: Readonly<Record<string, MmdbValue>>): Buffer {
  const data: Buffer[] = [];
  let dataBytes = 0;
  const root: Node = [undefined, undefined];
  for (const [network, record] of Object.entries(networks)) {
    const [address = '', length = '32'] = network.split('/');
    const bits =
      '0'.repeat(96) +
      address
        .split('.')
        .map((part) => Number(part).toString(2).padStart(8, '0'))
        .join('')
        .slice(0, Number(length));
    let node = root;
    for (const bit of bits.slice(0, -1)) {
      const side = Number(bit) as 0 | 1;
      const next = node[side];
      if (typeof next === 'object') node = next;
      else {
        const made: Node = [undefined, undefined];
        node[side] = made;
        node = made;
      }
    }
    node[Number(bits.at(-1)) as 0 | 1] = dataBytes;
    const encoded = encode(record);
    data.push(encoded);
    dataBytes += encoded.length;
  }
  const nodes: Node[] = [];
  const numbers = new Map<Node, number>();
  const walk = (node: Node): void => {
    numbers.set(node, nodes.length);
    nodes.push(node);
    for (const side of node) if (typeof side === 'object') walk(side);
  };
  walk(root);
  const tree = Buffer.alloc(nodes.length * 6);
  nodes.forEach((node, i) => {
    node.forEach((side, j) => {
      const pointer =
        typeof side === 'object' ? numbers.get(side) : side === undefined ? nodes.length : nodes.length + SEPARATOR_BYTES + side;
      tree.writeUIntBE(pointer ?? 0, i * 6 + j * 3, 3);
    });
  });
  const metadata: MmdbValue = {
    binary_format_major_version: 2,
    binary_format_minor_version: 0,
    build_epoch: 1_700_000_000,
    database_type: 'Test-City',
    description: { en: 'made by a test' },
    ip_version: 6,
    languages: ['en'],
    node_count: nodes.length,
    record_size: 24,
  };
  return Buffer.concat([tree, Buffer.alloc(SEPARATOR_BYTES), ...data, METADATA, encode(metadata)]);
}
