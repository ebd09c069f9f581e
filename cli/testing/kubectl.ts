/**
 * A `kubectl` for tests of the plugin, where no cluster is: a program of that name in a folder, which answers from a file.
 * What it does not know it refuses as the API server does. The real one is for e2e/ to try.
 */
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';

export interface World {
  /** By `type/name`; a listing of the type has all of them. */
  readonly objects: Readonly<Record<string, object>>;
  /** What a watch shows after the object as it is, before the API server ends it. */
  readonly changes?: readonly object[];
  /** Where a port-forward leads. */
  readonly port?: number;
  /** Printed on standard error by whatever is asked, which fails. */
  readonly fault?: string;
}

const program = `#!${process.execPath}
const { appendFileSync, readFileSync } = require('node:fs');
const { join } = require('node:path');
const world = JSON.parse(readFileSync(join(__dirname, 'world.json'), 'utf8'));
const args = process.argv.slice(2);
appendFileSync(join(__dirname, 'asked'), JSON.stringify(args) + '\\n');
const fail = (text) => { process.stderr.write(text + '\\n'); process.exit(1); };
const print = (value) => process.stdout.write(JSON.stringify(value) + '\\n');
if (world.fault) fail(world.fault);
const [verb, type, name] = args.filter((argument) => !argument.startsWith('--'));
const object = () =>
  world.objects[type + '/' + name] ?? fail('Error from server (NotFound): ' + type + ' "' + name + '" not found');
if (verb === 'port-forward') {
  process.stdout.write('Forwarding from 127.0.0.1:' + world.port + ' -> 50051\\n');
  setInterval(() => undefined, 1000);
} else if (verb === 'scale') print(object());
else if (args.includes('--watch')) for (const seen of [object(), ...world.changes]) print(seen);
else if (name) print(object());
else print({ items: Object.entries(world.objects).flatMap(([key, item]) => key.startsWith(type + '/') ? [item] : []) });
`;

export class KubectlStandIn implements Disposable {
  readonly #folder = mkdtempSync(join(tmpdir(), 'kvcache-kubectl-'));

  constructor() {
    writeFileSync(join(this.#folder, 'package.json'), '{"type":"commonjs"}');
    writeFileSync(join(this.#folder, 'kubectl'), program);
    chmodSync(join(this.#folder, 'kubectl'), 0o755);
  }

  show(world: World): void {
    writeFileSync(join(this.#folder, 'world.json'), JSON.stringify({ changes: [], ...world }));
    rmSync(join(this.#folder, 'asked'), { force: true });
  }

  /** The PATH that finds it first. */
  get path(): string {
    return `${this.#folder}${delimiter}${process.env['PATH']}`;
  }

  /** What it was asked since `show`: the arguments of every call. */
  asked(): string[][] {
    const file = join(this.#folder, 'asked');
    if (!existsSync(file)) return [];
    const lines = readFileSync(file, 'utf8').trim().split('\n');
    return lines.map((line) => JSON.parse(line) as string[]);
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
