/**
 * `npm run generate [-- FOLDER]`: generated TypeScript and descriptor set from `protos/*.proto`, and without FOLDER
 * `docs/settings.md` and `docs/errors.md` from the code that declares settings and errors too.
 *
 * All are committed, so that a clone runs unbuilt; `protos/generated.test.ts` regenerates into a temporary folder, and
 * the tests beside the documents' sources in memory, and find no difference.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { errorsDocument } from '../process/errors-document.ts';
import { settingsDocument } from '../settings/document.ts';

const root = resolve(import.meta.dirname, '..');
const protoFolder = join(root, 'protos');
const outputFolder = resolve(process.argv[2] ?? join(protoFolder, 'generated'));
const options = [
  'env=node',
  'esModuleInterop=true',
  'importSuffix=.ts',
  'outputServices=grpc-js',
  'enumsAsLiterals=true',
  'forceLong=bigint',
  'oneof=unions-value',
  'outputJsonMethods=false',
  'useExactTypes=false',
  'unrecognizedEnum=false',
  'removeEnumPrefix=true',
];

mkdirSync(outputFolder, { recursive: true });
const { status, error } = spawnSync(
  join(root, 'node_modules/.bin/protoc'),
  [
    `--plugin=protoc-gen-ts_proto=${join(root, 'node_modules/.bin/protoc-gen-ts_proto')}`,
    `--ts_proto_out=${outputFolder}`,
    `--ts_proto_opt=${options.join(',')}`,
    `--descriptor_set_out=${join(outputFolder, 'descriptors.binpb')}`,
    '--include_imports',
    `-I${protoFolder}`,
    ...readdirSync(protoFolder).filter((name) => name.endsWith('.proto')),
  ],
  { stdio: 'inherit', cwd: protoFolder },
);
if (error) throw error;
process.exitCode = status ?? 1;
if (process.argv[2] === undefined) {
  writeFileSync(join(root, 'docs/settings.md'), settingsDocument());
  writeFileSync(join(root, 'docs/errors.md'), errorsDocument());
}
