/** For tests: a shard's commands over a plain Map, so that link and router are tested without the storage engine. */
import type { Command, CommandContext, Executor } from '../../commands/command.ts';
import { OK, type Reply, ReplyError } from '../../commands/reply.ts';
import { slotOf } from '../../topology/slot.ts';

export class MemoryExecutor implements Executor {
  readonly name: string;
  readonly values = new Map<string, Buffer>();
  /** Every command in the order it came, and the context of the last. */
  readonly seen: string[] = [];
  lastContext: CommandContext | undefined;
  /** Test hook: an answer instead of the usual one, undefined to go on as usual. */
  intercept: ((command: Command, context: CommandContext) => Reply | Promise<Reply> | undefined) | undefined;

  constructor(name: string) {
    this.name = name;
  }

  execute(command: Command, context: CommandContext): Reply | Promise<Reply> {
    this.seen.push(command.name);
    this.lastContext = context;
    return this.intercept?.(command, context) ?? this.#run(command);
  }

  #run({ name, args }: Command): Reply {
    const key = args[0]?.toString('latin1') ?? '';
    switch (name) {
      case 'GET':
        return this.values.get(key) ?? null;
      case 'SET':
        this.values.set(key, args[1]!);
        return OK;
      case 'DEL':
        return args.filter((item) => this.values.delete(item.toString('latin1'))).length;
      case 'EXISTS':
        return args.filter((item) => this.values.has(item.toString('latin1'))).length;
      case 'MGET':
        return args.map((item) => this.values.get(item.toString('latin1')) ?? null);
      case 'MSET':
        for (let index = 0; index < args.length; index += 2) {
          this.values.set(args[index]!.toString('latin1'), args[index + 1]!);
        }
        return OK;
      case 'DBSIZE':
        return this.values.size;
      case 'FLUSH':
        return OK;
      case 'SHARDINFO':
        return Buffer.from(JSON.stringify({ name: this.name }));
      case 'PREFIXSCAN':
        return this.#scan(args);
      default:
        return new ReplyError('ERR', `the test's shard does not know ${name}`);
    }
  }

  /** In the order that cursors count by: slot, then some hash of the key; here its place among the slot's keys. */
  #scan([cursor, prefix, count, what]: readonly Buffer[]): Reply {
    const from = cursor!.byteLength === 0 ? [0, 0] : [cursor!.readUInt16BE(0), cursor!.readUInt32BE(2)];
    const keys = [...this.values.keys()]
      .filter((key) => key.startsWith(prefix!.toString('latin1')))
      .map((key) => ({ key: Buffer.from(key, 'latin1'), hash: hashOf(key), slot: slotOf(Buffer.from(key, 'latin1')) }))
      .filter(({ slot, hash }) => slot > from[0]! || (slot === from[0] && hash >= from[1]!))
      .sort((a, b) => a.slot - b.slot || a.hash - b.hash);
    const page = keys.slice(0, Number(count!.toString()));
    const next = keys[page.length];
    const place = Buffer.alloc(next === undefined ? 0 : 6);
    if (next !== undefined) {
      place.writeUInt16BE(next.slot, 0);
      place.writeUInt32BE(next.hash, 2);
    }
    const withValues = what!.toString() === 'VALUES';
    return [place, page.flatMap(({ key }) => (withValues ? [key, this.values.get(key.toString('latin1'))!] : [key]))];
  }
}

function hashOf(key: string): number {
  let hash = 7;
  for (const character of key) hash = (Math.imul(hash, 31) + character.charCodeAt(0)) >>> 0;
  return hash;
}
