/**
 * HPACK's Huffman code (RFC 7541, 5.2 and appendix B), the way in: strings are sent as they stand, because a few bytes
 * saved on a link inside a cluster are worth less than the time that packing them takes.
 *
 * The code is canonical: among codes of one length the symbols are in order, and longer codes follow shorter ones. The
 * lengths of appendix B are therefore the whole table.
 *
 * Decoding walks the code tree four bits at a time. For each of its 256 inner nodes and each of 16 nibbles the table says
 * where the walk stands afterwards and which symbol it passed; no code is shorter than five bits, so it is one at most.
 *
 *   bits 0-7   the inner node behind the nibble
 *   bits 8-15  the symbol that was completed
 *   bit 16     set if one was
 *   bit 17     set if the nibble completed EOS, which a string must not contain
 *
 * 16 KiB of table. Rejected: whole bytes at a time, whose table takes 256 KiB and leaves the processor's nearest cache.
 */
const codeLengths = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28,
  28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
  13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6,
  5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23,
  22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22,
  23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, 26, 26,
  20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27,
  27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27,
  27, 27, 27, 26, 30,
];

const endOfString = 256;
const innerNodes = 256;
const completes = 1 << 16;
const completesEndOfString = 1 << 17;

/** A node of the code tree: its children, each an inner node's number or, below zero, the complement of a symbol. */
const children = codeTree();
const steps = nibbleSteps();
const mayEndAt = paddingNodes();

/** The shortest code has five bits. */
export function huffmanDecodedBytesMax(encodedBytes: number): number {
  return Math.floor((encodedBytes * 8) / 5);
}

/**
 * Decodes `source` from `start` to `end` into `target`, which has room for `huffmanDecodedBytesMax`. Returns the number of
 * bytes written, or -1 if the string holds EOS, or ends in anything but up to seven one bits.
 */
export function decodeHuffman(source: Uint8Array, start: number, end: number, target: Uint8Array): number {
  let node = 0;
  let written = 0;
  let faults = 0;
  for (let position = start; position < end; position++) {
    const byte = source[position]!;
    const high = steps[(node << 4) | (byte >> 4)]!;
    if ((high & completes) !== 0) target[written++] = high >> 8;
    const low = steps[((high & 0xff) << 4) | (byte & 0xf)]!;
    if ((low & completes) !== 0) target[written++] = low >> 8;
    faults |= high | low;
    node = low & 0xff;
  }
  return (faults & completesEndOfString) === 0 && mayEndAt[node] === 1 ? written : -1;
}

function codeTree(): Int16Array {
  const tree = new Int16Array(innerNodes * 2);
  const symbols = codeLengths.map((_, symbol) => symbol);
  symbols.sort((left, right) => codeLengths[left]! - codeLengths[right]! || left - right);
  let nodes = 1;
  let code = 0;
  let codeLength = 0;
  for (const symbol of symbols) {
    const length = codeLengths[symbol]!;
    code <<= length - codeLength;
    codeLength = length;
    let node = 0;
    for (let bit = length - 1; bit > 0; bit--) {
      const side = node * 2 + ((code >> bit) & 1);
      // The root is nobody's child: zero says that there is no node yet.
      if (tree[side] === 0) tree[side] = nodes++;
      node = tree[side]!;
    }
    tree[node * 2 + (code & 1)] = ~symbol;
    code++;
  }
  return tree;
}

function nibbleSteps(): Uint32Array {
  const table = new Uint32Array(innerNodes * 16);
  for (let start = 0; start < innerNodes; start++) {
    for (let nibble = 0; nibble < 16; nibble++) {
      let node = start;
      let step = 0;
      for (let bit = 3; bit >= 0; bit--) {
        const child = children[node * 2 + ((nibble >> bit) & 1)]!;
        if (child >= 0) {
          node = child;
        } else {
          step = ~child === endOfString ? completesEndOfString : completes | (~child << 8);
          node = 0;
        }
      }
      table[start * 16 + nibble] = step | node;
    }
  }
  return table;
}

/** Between symbols, or up to seven one bits behind: the beginning of EOS, with which a string is filled to whole bytes. */
function paddingNodes(): Uint8Array {
  const nodes = new Uint8Array(innerNodes);
  for (let bits = 0, node = 0; bits <= 7; bits++) {
    nodes[node] = 1;
    node = children[node * 2 + 1]!;
  }
  return nodes;
}
